// Hook: [data-live=URL of the conversation] with data-shown (the newest message on the page) and data-stamp (what the page shows of the
// whole conversation). When something in the conversation changes, URL/live says what: the states below the messages are put in their
// place, and the hook says that there is something new, or who is typing an answer. "Show" fetches new messages, which is what marks
// them as seen, and puts them at the end; what is typed stays. From then on the page's form says that they were seen (name=shown).
// Who types in the form of a reply tells so (POST URL/answering) every few seconds.
import {byItself, eased, hear} from './live.js'
import {request} from './request.js'

const TELL_EVERY = 5000 // ms
const FORGOTTEN = 15500 // ms after which the server forgets who typed

export default function liveConversation(place, {enhance}) {
  const url = place.dataset.live
  const id = Number(url.split('/').pop())
  let forgetting
  let toldAt = 0

  const soon = eased(async () => {
    const {shown, stamp} = place.dataset
    const answer = await byItself(`${url}/live?shown=${shown ?? 0}`, {headers: {'X-Fragment': 1}})
    if (!answer.ok || answer.redirected) return
    const fresh = parsed(await answer.text())
    // "Show" has put messages on the page meanwhile: the answer would call them new
    if (shown !== place.dataset.shown || stamp !== place.dataset.stamp) return soon()
    for (const part of fresh.querySelectorAll('[data-foot]')) putFoot(part)
    const told = fresh.querySelector('[data-live]')
    if (told.dataset.stamp === stamp) told.querySelector('[data-changed]').remove()
    else told.querySelector('[data-news]')?.remove() // its page shows them too
    put(told)
  }, true)

  /** Puts in place only what says something else: a screen reader reads the whole of each part that changes. */
  const put = told => {
    const isThere = place.contains(document.activeElement)
    const parts = [...told.children]
    for (const [at, old] of [...place.children].entries()) {
      if (words(old) !== words(parts[at])) old.replaceChildren(...parts[at].childNodes)
    }
    if (!isThere || place.contains(document.activeElement)) return
    // with nothing left to press, the keyboard goes on from here and not from the top of the page
    const next = place.querySelector('a') ?? place
    if (next === place) place.tabIndex = -1
    next.focus()
  }

  /** The way back from another page, or from what has changed, begins at the server: the draft comes first. */
  const leave = async link => {
    const saves = [...document.querySelectorAll('form[data-autosave]')].map(form => new Promise(saved =>
      form.dispatchEvent(new CustomEvent('save-now', {detail: {saved}}))))
    await Promise.race([Promise.all(saves), new Promise(go => setTimeout(go, 2000))])
    // an address that differs by its fragment alone would load nothing
    const goal = link.href.split('#')[0]
    location.href.split('#')[0] === goal ? location.reload() : location.assign(goal)
  }

  const showNew = async link => {
    const answer = await request(url, {headers: {'X-Fragment': 1}})
    if (!answer.ok || answer.redirected) return leave(link)
    const page = parsed(await answer.text())
    const lines = [...page.querySelector('.thread').children]
    const isThere = line => line.id && document.getElementById(line.id)
    const last = lines.findLastIndex(line => line.matches('.msg') && isThere(line))
    const told = page.querySelector('[data-live]')
    if (last < 0 || told.dataset.stamp !== place.dataset.stamp) return leave(link)
    // what else stands in a thread may come after a message of the same moment
    const news = lines.slice(last + 1).filter(line => !isThere(line))
    for (const line of news) line.removeAttribute('autofocus')
    const thread = document.querySelector('.thread')
    thread.append(...news)
    place.dataset.shown = told.dataset.shown
    for (const field of document.querySelectorAll('input[name=shown]')) field.value = told.dataset.shown
    put(told)
    await enhance(thread)
    const first = news.find(line => line.id)
    first?.setAttribute('tabindex', -1)
    first?.focus()
  }

  place.addEventListener('click', event => {
    const link = event.target.closest('a')
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    if (link.ariaBusy) return
    link.ariaBusy = true
    const done = link.closest('[data-news]') ? showNew(link) : leave(link)
    done.catch(() => {}).finally(() => { link.ariaBusy = null })
  })

  hear(({kind, conversation}) => {
    if (conversation !== id && kind !== 'refresh' && kind !== 'list') return
    soon(kind)
    if (kind !== 'answering') return
    clearTimeout(forgetting)
    forgetting = setTimeout(soon, FORGOTTEN)
  })

  const tell = (typing, options) => {
    toldAt = typing === 'on' ? Date.now() : 0
    request(`${url}/answering`, {method: 'POST', body: new URLSearchParams({typing}), ...options}).catch(() => {})
  }
  document.addEventListener('input', event => {
    const form = event.target.closest('form')
    if (form?.getAttribute('action') === `${url}/messages` && Date.now() - toldAt > TELL_EVERY) tell('on')
  })
  addEventListener('pagehide', () => { if (Date.now() - toldAt < FORGOTTEN) tell('off', {keepalive: true}) })
}

const parsed = html => new DOMParser().parseFromString(html, 'text/html')
const words = element => element.textContent.replace(/\s+/g, ' ').trim()

/** What is open stays open; a foot that has the focus waits for the next change. */
function putFoot(part) {
  const old = document.getElementById(part.dataset.foot)?.querySelector(':scope > .msg-foot')
  const fresh = part.firstElementChild
  if (!old || !fresh || old.contains(document.activeElement)) return
  const opened = [...old.querySelectorAll('details')].map(one => one.open)
  const closed = old.cloneNode(true)
  for (const one of closed.querySelectorAll('details')) one.open = false
  if (closed.isEqualNode(fresh)) return
  fresh.querySelectorAll('details').forEach((one, at) => { one.open = opened[at] ?? false })
  old.replaceWith(fresh)
}
