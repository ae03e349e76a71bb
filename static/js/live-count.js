// Hook: .badge[data-live-count=URL], whose first child holds the number. Asks for it once a minute while the page is seen;
// the answer is a bare number, and 0 hides the badge. A session that has ended is left alone.
// Asking counts as being there, so it stops when nobody has touched the page for a while: the session may end.
import {request} from './request.js'

const EVERY = 60000 // ms
const AWAY_AFTER = 300000 // ms

export default function liveCount(badge) {
  let timer
  let touched = Date.now()

  const ask = async () => {
    clearTimeout(timer)
    if (document.hidden) return
    timer = setTimeout(ask, EVERY)
    if (Date.now() - touched > AWAY_AFTER) return
    try {
      const response = await request(badge.dataset.liveCount)
      const words = await response.text()
      if (response.redirected || !/^\d+$/.test(words)) return
      badge.firstElementChild.textContent = words
      badge.hidden = words === '0'
    } catch {
      // no network: the number stays
    }
  }

  for (const name of ['pointerdown', 'keydown']) document.addEventListener(name, () => { touched = Date.now() }, {passive: true})
  document.addEventListener('visibilitychange', () => document.hidden ? clearTimeout(timer) : ask())
  timer = setTimeout(ask, EVERY)
}
