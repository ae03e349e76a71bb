// What was done, or refused, where it is heard: a region of role=status at the foot of the window. It stays until the next one, until
// it is closed, or so long that it can be read and pressed without haste; what was refused stays until it is closed.
import {icon, make, stylesheet} from './common.js'

const STAYS = 60000 // ms without a look at it

const region = make('div', {class: 'toasts', role: 'status'})
document.body.append(region)
const styled = stylesheet('../css/toast.css')

let timer

/** Shows what the server wrote: words, and perhaps a form that takes them back, which `undo` sends. */
export async function toast(html, close, undo) {
  const template = make('template')
  template.innerHTML = html
  const one = await put(make('div', {class: 'toast'}, template.content), close)
  const form = one.querySelector('form')
  form?.addEventListener('submit', event => {
    if (!undo) return
    event.preventDefault()
    leave(one)
    undo(form)
  })
  const go = () => {
    clearTimeout(timer)
    // whoever is at it is not hurried
    timer = setTimeout(() => one.matches(':hover, :focus-within') ? go() : one.remove(), STAYS)
  }
  go()
}

/** Says why something was not done. */
export const tell = (words, close) => put(make('div', {class: 'toast danger'}, make('p', {text: words})), close)

async function put(one, close) {
  clearTimeout(timer)
  const button = make('button', {type: 'button', class: 'btn quiet', 'aria-label': close, title: close}, icon('x'))
  button.addEventListener('click', () => leave(one))
  one.append(button)
  await styled
  region.replaceChildren(one)
  return one
}

/** The focus does not get lost with it. */
function leave(one) {
  const hadFocus = one.contains(document.activeElement)
  one.remove()
  if (hadFocus) document.getElementById('main').focus()
}
