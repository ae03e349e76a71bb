// Hook: form[data-at-once]. A form that is on its way: it sends itself, as a press of its button would.
import submitOnce from './submit-once.js'

export default function atOnce(form) {
  submitOnce(form)
  form.requestSubmit()
}
