// Hook: form[data-live-preview=URL]. What is typed is posted there a moment after the last change, and the answer takes
// the place of what is in #preview. Without this module the form has a button that does the same with a page load.
import {formValues} from './common.js'
import {request} from './request.js'

const AFTER = 350 // ms of quiet

export default function livePreview(form) {
  const place = document.getElementById('preview')
  let timer
  let latest = 0

  const show = async () => {
    const mine = ++latest
    try {
      const response = await request(form.dataset.livePreview, {method: 'POST', headers: {'X-Fragment': '1'}, body: formValues(form)})
      const words = await response.text()
      // an answer that was overtaken, or a sign-in page after the session, is not shown
      if (mine === latest && response.ok && !response.redirected) place.innerHTML = words
    } catch {
      // no network: the preview stays as it was
    }
  }

  form.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(show, AFTER)
  })
}
