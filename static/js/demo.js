// Hook: [data-live] on the demo's own pages: asks now and then whether the page has changed, and shows it anew.
// data-version: compared in place of the whole part, where it holds words that change with time alone.
// [data-said] in it: told to screen readers when it changes.
import {say} from './common.js'
import {request} from './request.js'

const EVERY = 1500 // ms

const live = document.querySelector('[data-live]')

async function look() {
  if (document.hidden) return
  const part = !('version' in live.dataset)
  const answer = await request(location.href, {headers: part ? {'X-Fragment': '1'} : {}}).catch(() => null)
  if (!answer?.ok) return
  const html = await answer.text()
  const page = new DOMParser().parseFromString(html, 'text/html')
  const fresh = part ? page.body : page.querySelector('[data-live]')
  if (!fresh || (part ? fresh.textContent === live.textContent : fresh.dataset.version === live.dataset.version)) return
  const at = document.activeElement?.getAttribute('href')
  live.replaceChildren(...fresh.childNodes)
  if (!part) live.dataset.version = fresh.dataset.version
  if (at) live.querySelector(`a[href="${CSS.escape(at)}"]`)?.focus()
  const said = live.querySelector('[data-said]')
  if (said) say(said.textContent)
}

if (live) {
  // on a phone the people stand beside one another
  const shown = live.querySelector('nav [aria-current=page]')
  shown?.scrollIntoView({block: 'nearest', inline: 'center'})
  // without a name the page shows whom the newest came to: whoever is read stays, also when something comes to another
  if (shown && !new URLSearchParams(location.search).has('who')) history.replaceState(null, '', shown.href)
  setInterval(look, EVERY)
  document.addEventListener('visibilitychange', look)
}
