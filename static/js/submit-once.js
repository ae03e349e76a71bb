// Hook: form[data-submit-once] (the portal: every posted form). A second press while the first is under way does nothing;
// the pressed button shows progress. Buttons are not disabled: a disabled one would not send its own name and value.
export default function submitOnce(form) {
  let busy = null

  // window, so that every handler that may refuse the submit (compose.js, window.js) has had its say
  addEventListener('submit', event => {
    if (event.target !== form || event.defaultPrevented || event.submitter?.formTarget) return
    if (busy) {
      event.preventDefault()
      return
    }
    busy = event.submitter ?? form
    busy.setAttribute('aria-busy', 'true')
  })

  // back from the next page by the back button: the page may come out of the browser's cache as it was left
  addEventListener('pageshow', () => {
    busy?.removeAttribute('aria-busy')
    busy = null
  })
}
