// Files chosen on this computer for the message: sent at once, one request for each, with progress, cancel, remove and
// order. They are chosen with the file field, dropped on the part, or pasted. The lines of the list come from the server,
// with their hidden fields; without this script the part's "Add files" button does the same, a page at a time.

export default function start(part) {
  const form = part.closest('form')
  const list = part.querySelector('[data-files]')
  const input = part.querySelector('input[type=file]')
  const status = part.querySelector('[data-upload-state]')
  const line = part.querySelector('template[data-line]')
  const words = part.querySelector('template[data-words]').content
  const word = (name) => words.querySelector(`[data-word=${name}]`)?.textContent ?? ''
  const largest = Number(part.dataset.largest)
  const together = Number(part.dataset.together)
  const sizes = new Map() // by upload: what was sent from this page
  const running = new Set()

  const say = (...parts) => { status.textContent = parts.join(' ') }

  // what the field holds is sent here, and must not be sent again with the form
  input.removeAttribute('name')
  part.querySelector('[data-add]').remove()
  const hint = document.createElement('p')
  hint.className = 'hint drop'
  hint.textContent = word('drop')
  input.after(hint)

  input.addEventListener('change', () => {
    add([...input.files])
    input.value = ''
  })

  // dragging: only files, and never the browser's own way, which would leave the page and the typed text
  const holdsFiles = (event) => event.dataTransfer?.types.includes('Files')
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
      if (file.size > largest) refuse(file.name, word('too_large'))
      else if (total + file.size > together) refuse(file.name, word('too_much'))
      else send(file)
    }
  }

  function refuse(name, why) {
    const item = document.createElement('li')
    item.className = 'file refused'
    const what = document.createElement('span')
    what.className = 'file-name'
    what.textContent = name
    const error = document.createElement('span')
    error.className = 'error'
    error.setAttribute('role', 'alert')
    error.textContent = why
    item.append(what, ' ', error)
    list.append(item)
  }

  function send(file) {
    const item = line.content.cloneNode(true).firstElementChild
    const progress = item.querySelector('progress')
    const cancel = item.querySelector('[data-cancel]')
    item.querySelector('.file-name').textContent = file.name
    progress.setAttribute('aria-label', file.name)
    cancel.setAttribute('aria-label', `${cancel.textContent} ${file.name}`)
    list.append(item)
    const request = new XMLHttpRequest() // fetch tells nothing of what was sent
    running.add(request)
    sizes.set(request, file.size)
    const end = () => { running.delete(request); sizes.delete(request) }
    request.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) progress.value = Math.round(100 * event.loaded / event.total)
    })
    request.addEventListener('load', () => {
      const focused = item.contains(document.activeElement)
      end()
      const isLines = request.getResponseHeader('content-type')?.startsWith('text/html') && [200, 422].includes(request.status)
      const lines = isLines ? [...new DOMParser().parseFromString(request.responseText, 'text/html').querySelectorAll('li.file')] : []
      if (!lines.length) return failed()
      item.replaceWith(...lines)
      for (const one of lines) {
        if (one.dataset.file) sizes.set(one.dataset.file, file.size)
        dress(one)
      }
      if (focused) lines[0].querySelector('button')?.focus()
      if (request.status === 200) say(word('added'), file.name)
      changed()
    })
    const failed = () => {
      end()
      item.remove()
      refuse(file.name, word('failed'))
    }
    request.addEventListener('error', failed)
    request.addEventListener('abort', () => {
      end()
      item.remove()
      input.focus()
    })
    cancel.addEventListener('click', () => request.abort())
    const body = new FormData()
    body.append('files', file)
    request.open('POST', part.dataset.uploads)
    request.send(body)
  }

  // the buttons of a line; a line that came with the page or from the server has "Remove", this adds "Move up"
  function dress(item) {
    const remove = item.querySelector('[data-remove]')
    if (!remove || item.querySelector('[data-up]')) return
    const up = document.createElement('button')
    up.type = 'button'
    up.className = 'btn quiet'
    up.dataset.up = ''
    up.textContent = word('up')
    up.setAttribute('aria-label', `${word('up')}: ${item.querySelector('.file-name').textContent}`)
    up.addEventListener('click', () => {
      const before = item.previousElementSibling
      if (!before) return
      before.before(item)
      up.focus()
      changed()
    })
    remove.before(up, ' ')
    remove.type = 'button'
    remove.addEventListener('click', async () => {
      const name = item.querySelector('.file-name').textContent
      const next = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector('button') ?? input
      if (item.dataset.file) {
        const answer = await fetch(`${part.dataset.uploads}/${item.dataset.file}/removal`, {method: 'POST'}).catch(() => null)
        // 404: it is gone already
        if (!answer || !(answer.ok || answer.status === 404)) return say(word('failed'))
        sizes.delete(item.dataset.file)
      }
      item.remove()
      next.focus()
      say(word('removed'), name)
      changed()
    })
  }

  /** Hidden fields came, went or moved: what watches the form (drafts) is told as if something had been typed. */
  function changed() {
    form.dispatchEvent(new Event('input', {bubbles: true}))
  }

  // a message must not go without a file that is still on its way
  form.addEventListener('submit', (event) => {
    if (!running.size) return
    event.preventDefault()
    event.stopImmediatePropagation()
    say(word('busy'))
  }, {capture: true})

  list.querySelectorAll('li.file').forEach(dress)
}
