// Hook: form[data-at-change], above a list that its choices narrow: what is chosen, ticked or dated shows at once, without leaving the
// page. What follows the form is put anew, the form stays, and with it the focus and what is being typed. Words wait for their button.
// Where the answer does not come, the form is sent as without this script.
// Strings: live_list
import {formValues, make, say, wordsFor} from './common.js'
import {isOthers, request} from './request.js'

export default function atChange(form, {enhance}) {
  let asked
  form.addEventListener('change', async ({target}) => {
    if (target.matches('[type=search]')) return
    const question = asked = Symbol('asked')
    const answer = await ask(form).catch(() => null)
    if (question !== asked) return // a later choice has been made
    if (answer && isOthers(answer)) return
    const fresh = answer && await formOf(answer, form)
    if (!fresh) return form.requestSubmit()
    history.replaceState(null, '', answer.url)
    put(form, fresh)
    say(wordsFor(form)('live_list'))
    await enhance(form.parentElement)
  })
}

function ask(form) {
  const values = formValues(form)
  const action = form.getAttribute('action')
  const headers = {'X-Fragment': 1}
  if (form.matches('[method=post]')) return request(action, {method: 'POST', headers, body: values})
  return request(`${action}?${values}`, {headers})
}

/** The same form in the answer; nothing where it is another page, such as the sign-in page. */
async function formOf(answer, form) {
  if (!answer.ok || new URL(answer.url).pathname !== location.pathname) return null
  const template = make('template')
  template.innerHTML = await answer.text()
  return template.content.querySelector(`form[data-at-change][action="${CSS.escape(form.getAttribute('action'))}"]`)
}

function put(form, fresh) {
  const pairs = css => [[...form.querySelectorAll(css)], [...fresh.querySelectorAll(css)]]
  // links of the form lead to what it narrows
  const [links, newLinks] = pairs('a')
  if (links.length === newLinks.length) links.forEach((link, at) => { link.href = newLinks[at].getAttribute('href') })
  const tabs = form.parentElement.querySelector(':scope > .counts')
  // :scope is nothing in a fragment
  const newTabs = [...fresh.parentNode.children].find(one => one.matches('.counts'))
  if (tabs && newTabs) tabs.replaceWith(newTabs)
  while (form.nextElementSibling) form.nextElementSibling.remove()
  while (fresh.nextElementSibling) form.parentElement.append(fresh.nextElementSibling)
}
