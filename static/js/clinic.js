// Entry of the clinic's pages. Each enhancement is fetched only where the page has its hook, so that most pages stay light.
// A hook is enhanced once; fragments that arrive later (dialog.js, window.js) are enhanced with enhance(fragment).
// <html data-enhanced> says that the first pass is over: tests wait for it.
const HOOKS = {
  'a[data-open-dialog]': () => import('./dialog.js'),
  'form[data-chart-browser], button[data-open-chart-browser]': () => import('./chart-browser.js'),
  'form[data-compose]': () => import('./compose.js'),
  'select[multiple][data-combo]': () => import('./combobox.js'),
  'select[data-mention]': () => import('./mention.js'),
  'dialog[data-template-picker]': () => import('./template-picker.js'),
  'form[data-autosave]': () => import('./autosave.js'),
  'form[data-submit-once], form[data-compose]:not(dialog form)': () => import('./submit-once.js'),
  'fieldset[data-uploads]': () => import('./upload.js'),
  '.badge[data-live-count]': () => import('./live.js'),
  '[data-live-inbox]': () => import('./live-inbox.js'),
  '[data-live]': () => import('./live-conversation.js'),
  'ol[data-links]': () => import('./copy-link.js'),
  '[data-broadcast]': () => import('./live-broadcast.js'),
  'form[data-live-preview]': () => import('./live-preview.js'),
  'form[data-at-change]': () => import('./at-change.js'),
  'form[data-at-once]': () => import('./at-once.js'),
  'details.menu': () => import('./menu.js'),
  'form[data-passkey]': () => import('./passkey.js'),
  'details[data-summary]': () => import('./options.js'),
  '[data-print]': () => import('./print.js'),
  // what is there from the beginning is seen, and not heard
  'main > .flash': () => import('./common.js').then(({say}) => ({default: ({textContent}) => say(textContent)})),
}

const done = new WeakMap()

export async function enhance(scope = document) {
  await Promise.all(Object.entries(HOOKS).map(async ([selector, load]) => {
    const elements = [...scope.querySelectorAll(selector)]
    if (!elements.length) return
    const {default: start} = await load()
    for (const element of elements) {
      const kinds = done.get(element) ?? new Set()
      if (kinds.has(selector)) continue
      done.set(element, kinds.add(selector))
      await start(element, {enhance})
    }
  }))
}

// Enter in a field (form.html, enter_does_nothing): before any other handler, as in a dialog it would close that
addEventListener('submit', event => {
  if (!event.submitter?.matches('[data-nothing]')) return
  event.preventDefault()
  event.stopImmediatePropagation()
}, true)

// A form on its way: its button shows it, and a second press does nothing. On window, after those who send a form themselves;
// submit-once.js sees to forms that are written in
const SLOW = 10000 // ms
const sending = new Map()
addEventListener('submit', event => {
  const {target: form, submitter} = event
  const stays = form.hasAttribute('target') || submitter?.hasAttribute('formtarget')
  if (event.defaultPrevented || stays || !form.matches('[method=post]:not([data-submit-once], [data-compose])')) return
  if (sending.has(form)) return event.preventDefault()
  const button = submitter ?? form
  sending.set(form, button)
  button.setAttribute('aria-busy', 'true')
  setTimeout(comesBack, SLOW, form, button)
})
function comesBack(form, button) {
  sending.delete(form)
  button.removeAttribute('aria-busy')
}
addEventListener('pageshow', () => { for (const [form, button] of sending) comesBack(form, button) })

// keys.js comes with the first key, and gets those that were pressed before it was there
if (document.body.dataset.keys) {
  const early = []
  const keep = event => {
    if (event.key === '/' && event.target.matches('body, a, button')) event.preventDefault() // Firefox would search
    if (early.push(event) > 1) return
    import('./keys.js').then(({default: start}) => {
      removeEventListener('keydown', keep)
      start(early, enhance)
    }, () => { early.length = 0 })
  }
  addEventListener('keydown', keep)
}

// The user's own menu opens by itself: what a script adds comes when it is first opened
document.querySelector('details.me')?.addEventListener('toggle', ({target}) => {
  import('./menu.js').then(({default: start}) => start(target), () => {})
}, {once: true})

// The warning before a session ends is fetched shortly before it: most pages are left long before
const SHORTLY = 300 // s
const warning = document.querySelector('dialog[data-session-warning]')
if (warning) {
  const made = Date.now()
  const seconds = Number(warning.dataset.expiresIn)
  setTimeout(async () => {
    const {default: start} = await import('./session-warning.js')
    warning.dataset.expiresIn = seconds - (Date.now() - made) / 1000
    start(warning)
  }, Math.max(0, seconds - SHORTLY) * 1000)
}

await enhance()
document.documentElement.dataset.enhanced = ''
