// Hook: dialog[data-session-warning] with data-expires-in (seconds that the session has left when the page is made),
// data-url (POST there keeps the session), optional data-warn-before (seconds, 120). In it: button[data-stay],
// and [data-warning] (shown before the end), [data-final] (the end comes in any case; with button[data-dismiss]) and
// [data-ended] (shown after it); give the last two `hidden`.
// Typed text stays on the page, and a form[data-autosave] is saved first.
// The POST answers any 2xx; a JSON body {"expires_in": seconds} sets the next period.
import {isOthers, request} from './request.js'

export default function sessionWarning(dialog) {
  const before = Number(dialog.dataset.warnBefore ?? 120)
  let seconds = Number(dialog.dataset.expiresIn)
  let endsAt
  let timer
  let told = false // its end, once: typing goes on, and what is sent then is kept

  // Compared with the clock, as timers sleep when a phone does
  const look = () => {
    const left = (endsAt - Date.now()) / 1000
    if (left <= 0) return show(true)
    if (left <= before) show(false)
    timer = setTimeout(look, Math.min(left, left > before ? left - before : left, 60) * 1000 + 50)
  }

  const begin = () => {
    clearTimeout(timer)
    endsAt = Date.now() + seconds * 1000
    look()
  }

  const parts = shown => {
    for (const part of dialog.querySelectorAll('[data-warning], [data-final], [data-ended]')) part.hidden = !part.matches(shown)
  }

  const show = ended => {
    parts(ended ? '[data-ended]' : '[data-warning]')
    if (dialog.open || (ended && told)) return
    told = ended
    for (const form of document.querySelectorAll('form[data-autosave]')) form.dispatchEvent(new Event('save-now'))
    dialog.showModal()
  }

  // The session ends in any case: said once, then only its end is told
  const last = () => {
    parts('[data-final]')
    clearTimeout(timer)
    timer = setTimeout(() => show(true), seconds * 1000)
  }

  const stay = async button => {
    button.setAttribute('aria-busy', 'true')
    try {
      const response = await request(dialog.dataset.url, {method: 'POST', headers: {Accept: 'application/json'}})
      if (isOthers(response)) return dialog.close()
      if (!response.ok || response.redirected) return show(true)
      const answer = await response.json().catch(() => ({}))
      seconds = answer.expires_in ?? seconds
      if (seconds <= before) return last()
      dialog.close()
      begin()
    } catch {
      // no network: the dialog stays, the button can be pressed again
    } finally {
      button.removeAttribute('aria-busy')
    }
  }

  dialog.addEventListener('click', event => {
    if (event.target.closest('[data-dismiss]')) return dialog.close()
    const button = event.target.closest('[data-stay]')
    if (!button) return
    event.preventDefault()
    stay(button)
  })
  document.addEventListener('visibilitychange', () => { if (!document.hidden) { clearTimeout(timer); look() } })
  begin()
}
