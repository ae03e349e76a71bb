// Hook: [data-broadcast=URL]. While it has data-going, what stands at the URL takes its place every few seconds; when it has none any
// more, the page is loaded again: its list and its buttons are other ones. Without this module the page has a link that does the same.
import {byItself, eased} from './live.js'

const EVERY = 3000 // ms

export default function liveBroadcast(place) {
  const {broadcast: url} = place.dataset
  const soon = eased(async () => {
    const answer = await byItself(url, {headers: {'X-Fragment': 1}})
    const fresh = answer.ok && !answer.redirected
      && new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-broadcast]')
    if (fresh && !('going' in fresh.dataset)) return location.reload()
    if (fresh) {
      place.replaceWith(fresh)
      place = fresh
    }
    later()
  }, true)
  const later = () => setTimeout(soon, EVERY)
  if ('going' in place.dataset) later()
}
