// Hook: form[data-autosave=URL]. Saves the draft on the server a second after the last change, and when the page is left.
//
// Sends the whole form as urlencoded. The hidden field draft_version says which draft it was typed over.
//   200 {"version": n, "saved_at": "shown text"}   the field takes n, [data-save-state] shows the text
//   409                                            another window saved: [data-conflict] is shown, saving stops, nothing is lost
//   anything else, or no network                   told in [data-save-state], tried again, each time later
// A `save-now` event on the form saves at once (session-warning.js), and calls its detail.saved; `teardown` from a dialog saves unless discarded.
// Strings: save_failed
import {formValues, wordsFor} from './common.js'
import {isOthers, request} from './request.js'

const AFTER = 1000 // ms of quiet
const LONGEST = 30000
const KEEPALIVE_LIMIT = 60000 // browsers refuse more than 64 kB in a request that outlives its page

export default function autosave(form) {
  new Draft(form)
}

class Draft {
  constructor(form) {
    this.form = form
    this.words = wordsFor(form)
    this.state = form.querySelector('[data-save-state]')
    this.wait = AFTER
    this.changed = false
    this.stopped = false
    for (const name of ['input', 'change']) form.addEventListener(name, () => this.later())
    form.addEventListener('save-now', event => this.save().finally(event.detail?.saved))
    form.closest('.window-content')?.addEventListener('teardown', event => this.finish(event.detail.discard))
    // sending deletes the draft: a save that comes after would bring it back. Should the submit be refused, typing goes on.
    addEventListener('submit', event => { if (event.target === form && !event.defaultPrevented && !event.submitter?.formTarget) this.cancel() })
    addEventListener('pagehide', () => this.save())
    document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'hidden') this.save() })
  }

  later() {
    this.changed = true
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.save(), this.wait)
  }

  cancel() {
    clearTimeout(this.timer)
    this.changed = false
  }

  finish(discard) {
    if (!discard) this.save()
    this.cancel()
    this.stopped = true
  }

  /** One request at a time: the next needs the version that this one brings. */
  async save() {
    clearTimeout(this.timer)
    if (!this.changed || this.stopped) return
    if (this.saving) return this.later()
    this.saving = true
    this.changed = false
    try {
      const body = formValues(this.form)
      const keepalive = body.toString().length < KEEPALIVE_LIMIT
      await this.take(await request(this.form.dataset.autosave, {method: 'POST', body, keepalive, headers: {Accept: 'application/json'}}))
    } catch {
      this.failed()
    } finally {
      this.saving = false
    }
  }

  async take(response) {
    if (isOthers(response)) return this.end()
    if (response.status === 409) return this.conflict()
    if (!response.ok || response.redirected) throw new Error(String(response.status))
    const {version, saved_at: savedAt} = await response.json()
    const field = this.form.elements.draft_version
    if (field) field.value = version
    this.tell(savedAt)
    this.wait = AFTER
  }

  /** Nothing more can be saved from this page. */
  end() {
    this.stopped = true
    this.tell('')
  }

  conflict() {
    this.end()
    const notice = this.form.querySelector('[data-conflict]')
    if (!notice) return
    notice.hidden = false
    notice.scrollIntoView({block: 'nearest'})
  }

  failed() {
    this.tell(this.words('save_failed'))
    this.wait = Math.min(this.wait * 2, LONGEST)
    this.later()
  }

  tell(text) {
    if (this.state) this.state.textContent = text
  }
}
