// Files chosen on this computer for the message: sent at once, one request for each, with progress, cancel, remove and
// order. They are chosen with the file field or dropped anywhere on the form. The lines of the list come from the server,
// with their hidden fields; without this script the part's "Add files" button does the same, a page at a time.
//
// Hook: fieldset[data-uploads=URL], with data-largest and data-together, the limits in bytes.
// Strings: upload_added, upload_removed {name}, upload_failed, upload_running {count}, upload_busy {count}, upload_drop,
// upload_up, upload_up_of {name}, upload_moved {name} {count}, upload_cancel_of {name}, upload_too_large, upload_too_much
import {make, wordsFor} from './common.js'
import {request as ask} from './request.js'
import upload from './request-files.js'

export default function start(part) {
  const form = part.closest('form')
  const list = part.querySelector('[data-files]')
  const input = part.querySelector('input[type=file]')
  const status = part.querySelector('[data-upload-state]')
  const line = part.querySelector('template[data-line]')
  const words = wordsFor(part)
  const largest = Number(part.dataset.largest)
  const together = Number(part.dataset.together)
  const sizes = new Map() // by upload, and by request while it runs: bytes
  const running = new Set()

  const say = (text) => { status.textContent = text }
  const sayRunning = () => say(running.size ? words('upload_running', {count: running.size}) : '')
  const count = () => list.querySelectorAll('li[data-file]').length

  // what the field holds is sent here, and must not be sent again with the form
  input.removeAttribute('name')
  part.querySelector('[data-add]').remove()
  input.after(make('span', {class: 'hint', text: words('upload_drop')}))

  input.addEventListener('change', () => {
    add([...input.files])
    input.value = ''
  })

  // dragging: only files, and never the browser's own way, which would leave the page and the typed text
  // another file field of the form takes by itself what is dropped on it
  const isOther = (target) => target !== input && target.matches?.('input[type=file]')
  const holdsFiles = (event) => event.dataTransfer?.types.includes('Files') && !isOther(event.target)
  for (const kind of ['dragenter', 'dragover']) {
    form.addEventListener(kind, (event) => {
      if (!holdsFiles(event)) return
      event.preventDefault()
      part.classList.add('over')
    })
  }
  form.addEventListener('dragleave', (event) => {
    if (!form.contains(event.relatedTarget)) part.classList.remove('over')
  })
  form.addEventListener('drop', (event) => {
    if (!holdsFiles(event)) return
    event.preventDefault()
    part.classList.remove('over')
    add([...event.dataTransfer.files])
  })

  function add(files) {
    for (const file of files) {
      const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
      if (file.size > largest) refuse(file.name, words('upload_too_large'))
      else if (total + file.size > together) refuse(file.name, words('upload_too_much'))
      else send(file)
    }
    if (running.size) sayRunning()
  }

  function refuse(name, why) {
    list.append(make('li', {class: 'file refused'},
      make('span', {class: 'file-name', text: name}), ' ', make('span', {class: 'error', role: 'alert', text: why})))
  }

  function send(file) {
    const item = line.content.cloneNode(true).firstElementChild
    const progress = item.querySelector('progress')
    const cancel = item.querySelector('[data-cancel]')
    item.querySelector('.file-name').textContent = file.name
    progress.setAttribute('aria-label', file.name)
    cancel.setAttribute('aria-label', words('upload_cancel_of', {name: file.name}))
    list.append(item)
    const request = new XMLHttpRequest()
    running.add(request)
    sizes.set(request, file.size)
    const end = () => { running.delete(request); sizes.delete(request) }
    request.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) progress.value = Math.round(100 * event.loaded / event.total)
    })
    request.addEventListener('load', () => {
      const focused = item.contains(document.activeElement)
      end()
      const isLines = request.getResponseHeader('content-type')?.startsWith('text/html') && [200, 422, 503, 507].includes(request.status)
      const lines = isLines ? [...new DOMParser().parseFromString(request.responseText, 'text/html').querySelectorAll('li.file')] : []
      if (!lines.length) return failed()
      item.replaceWith(...lines)
      for (const one of lines) {
        dress(one)
      }
      if (focused) lines[0].querySelector('button')?.focus()
      if (request.status === 200) say(words('upload_added', {name: file.name, count: count()}))
      else sayRunning()
      changed()
    })
    const failed = () => {
      end()
      item.remove()
      sayRunning()
      refuse(file.name, words('upload_failed'))
    }
    request.addEventListener('error', failed)
    request.addEventListener('abort', () => {
      end()
      item.remove()
      sayRunning()
      input.focus()
    })
    cancel.addEventListener('click', () => request.abort())
    const body = new FormData()
    body.append('files', file)
    upload(request, part.dataset.uploads, body)
  }

  // the buttons of a line; a line that came with the page or from the server has "Remove", this adds "Move up"
  function dress(item) {
    const remove = item.querySelector('[data-remove]')
    if (!remove || item.querySelector('[data-up]')) return
    const name = item.querySelector('.file-name').textContent
    sizes.set(item.dataset.file, Number(item.dataset.size))
    const up = make('button', {type: 'button', class: 'btn quiet', 'data-up': true, text: words('upload_up'), 'aria-label': words('upload_up_of', {name})})
    up.addEventListener('click', () => {
      const before = item.previousElementSibling
      if (!before) return
      before.before(item)
      // it lost the focus on the way
      up.hidden = false
      up.focus()
      first()
      say(words('upload_moved', {name, count: [...list.children].indexOf(item) + 1}))
      changed()
    })
    up.addEventListener('blur', first)
    remove.before(up, ' ')
    first()
    remove.type = 'button'
    remove.addEventListener('click', async () => {
      const next = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector('button:not([hidden])') ?? input
      const answer = await ask(`${part.dataset.uploads}/${item.dataset.file}/removal`, {method: 'POST'}).catch(() => null)
      // 404: it is gone already
      if (!answer || !(answer.ok || answer.status === 404)) return say(words('upload_failed'))
      sizes.delete(item.dataset.file)
      item.remove()
      next.focus()
      first()
      say(words('upload_removed', {name, count: count()}))
      changed()
    })
  }

  /** Above the first file there is no place to move up to; a button that has just moved one there keeps the focus. */
  function first() {
    for (const up of list.querySelectorAll('[data-up]')) {
      up.hidden = up.closest('li') === list.firstElementChild && up !== document.activeElement
    }
  }

  /** Hidden fields came, went or moved: what watches the form (drafts) is told as if something had been typed. */
  function changed() {
    form.dispatchEvent(new Event('input', {bubbles: true}))
  }

  // a message must not go without a file that is still on its way
  form.addEventListener('submit', (event) => {
    if (!running.size || event.submitter?.formTarget) return
    event.preventDefault()
    event.stopImmediatePropagation()
    say(words('upload_busy', {count: running.size}))
  }, {capture: true})

  list.querySelectorAll('li.file').forEach(dress)
}
