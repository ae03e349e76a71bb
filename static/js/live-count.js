// Hook: .badge[data-count=URL], whose first child holds the number. Asks for it once a minute while the page is seen;
// the answer is a bare number, and 0 hides the badge. A session that has ended is left alone.
const EVERY = 60000 // ms

export default function liveCount(badge) {
  let timer

  const ask = async () => {
    clearTimeout(timer)
    if (document.hidden) return
    try {
      const response = await fetch(badge.dataset.count)
      const words = await response.text()
      if (response.redirected || !/^\d+$/.test(words)) return
      badge.firstElementChild.textContent = words
      badge.hidden = words === '0'
    } catch {
      // no network: the number stays
    }
    timer = setTimeout(ask, EVERY)
  }

  document.addEventListener('visibilitychange', () => document.hidden ? clearTimeout(timer) : ask())
  timer = setTimeout(ask, EVERY)
}
