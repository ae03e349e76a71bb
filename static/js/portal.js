// Entry of the patient's pages: works without, weighs next to nothing with.
import submitOnce from './submit-once.js'

for (const form of document.querySelectorAll('form[method=post]')) submitOnce(form)

const warning = document.querySelector('dialog[data-session-warning]')
if (warning) (await import('./session-warning.js')).default(warning)

for (const form of document.querySelectorAll('form[data-autosave]')) (await import('./autosave.js')).default(form)
for (const button of document.querySelectorAll('[data-print]')) (await import('./print.js')).default(button)

document.documentElement.dataset.enhanced = ''
