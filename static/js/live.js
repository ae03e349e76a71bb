// Hook: .badge[data-live-count=URL][data-live-from=POSITION], whose first child holds a number. What changes is told at once, by one
// stream of events (GET /events) for each browser: the tab that holds the lock reads it and tells the others; when it goes, the next
// one reads on. No SharedWorker: Chrome on Android has none, and one lives on after an update while any tab is open.
//
// An event has kinds and ids alone: {kind, conversation, mine, own}. hear(hearer) hands each to a script of the page, which fetches
// what it shows by byItself(URL): that is nobody's being there, so that a session ends although pages are open.
// Where there is no stream, the number is asked for once a minute while the page is seen. 0 hides the badge.
import {isOthers, request} from './request.js'

const WAIT = 1000 // ms before the first new try; then twice as long each time, give or take a half
const LONGEST = 60000
const DEAD = 50000 // a stream that is silent for so long; it has a beat every 20 s
const LIVED = 10000 // a stream that went on for so long was a good one
const UNCOUNTED = /^(state|read|listed|answering)$/ // the number does not depend on these kinds

const hearers = new Set()
export const hear = hearer => hearers.add(hearer)

/** Gives a function that calls `act` a moment after it is called with the kind of an event; of several calls the earliest counts. What all
    browsers of the clinic hear at the same moment, as after a restart, is spread over seconds. One `act` at a time; one that fails is
    called again, each time later, and when the page is shown again; `ifSeen`: not before it is seen. */
export function eased(act, ifSeen) {
  let timer
  let dueAt = Infinity
  let isBusy = false
  let isDue = false
  let fails = 0
  const after = wait => {
    if (Date.now() + wait >= dueAt) return
    clearTimeout(timer)
    dueAt = Date.now() + wait
    timer = setTimeout(go, wait)
  }
  const soon = kind => after(30 + Math.random() * (/^(refresh|list)$/.test(kind) ? 5000 : 200))
  const go = async () => {
    dueAt = Infinity
    isDue = isBusy || ifSeen && document.hidden
    if (isDue) return
    isBusy = true
    try {
      await act()
      fails = 0
    } catch {
      after(Math.min(WAIT * 2 ** fails++, LONGEST) * (.5 + Math.random()))
    }
    isBusy = false
    if (isDue) soon()
  }
  document.addEventListener('visibilitychange', () => { if (isDue || fails) soon() })
  return soon
}

export const byItself = async (url, {headers, ...options} = {}) => {
  const answer = await request(url, {...options, headers: {...headers, 'X-By-Itself': 1}})
  if (answer.status > 499) throw answer // like none at all
  return answer
}

export default function live(badge) {
  const name = `live ${document.documentElement.dataset.whose}`
  const tabs = new BroadcastChannel(name)
  const title = document.title
  let position = badge.dataset.liveFrom
  let heardAt = 0

  const show = count => {
    badge.firstElementChild.textContent = count
    badge.hidden = count === '0'
    document.title = badge.hidden ? title : `(${count}) ${title}`
  }

  const take = ({count, id, kind, ...event}) => {
    heardAt = Date.now()
    position = id ?? position
    if (count) show(count)
    if (kind) for (const hearer of hearers) hearer({kind, ...event})
  }
  const tell = news => { tabs.postMessage(news); take(news) }
  tabs.onmessage = ({data}) => take(data)

  const askSoon = eased(async () => {
    const answer = await byItself(badge.dataset.liveCount)
    const count = await answer.text()
    if (/^\d+$/.test(count) && !answer.redirected) tell({count})
  })

  // Gives whether it is over for good: another tab reads. Where the session has ended, the next try says whether the browser has another
  // one by now, as after a change of the password; with none it is led to the sign-in page, which ends it
  const read = async body => {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const dead = setTimeout(() => reader.cancel(), DEAD)
      const {value, done} = await reader.read()
      clearTimeout(dead)
      if (done) return
      tell({})
      const events = (rest + value).split('\n\n')
      rest = events.pop()
      for (const event of events) {
        const [, id, data] = /^(?:id: (\d+)\n)?data: (.*)/.exec(event) ?? []
        if (!data) continue
        const news = JSON.parse(data)
        if (news.kind === 'replaced') return true
        if (news.kind === 'ended') return
        tell({...news, id})
        if (news.mine !== false && !UNCOUNTED.test(news.kind) && news.kind !== 'ready') askSoon(news.kind)
      }
    }
  }

  const listen = async signal => {
    for (let wait = WAIT; !signal.aborted; wait = Math.min(wait * 2, LONGEST)) {
      let openAt = Infinity
      try {
        const headers = {Accept: 'text/event-stream', 'Last-Event-ID': position}
        const answer = await byItself('/events', {headers, signal, redirect: 'manual', cache: 'no-store'})
        if (isOthers(answer) || answer.status === 204 || answer.type === 'opaqueredirect') return
        openAt = answer.ok ? Date.now() : Infinity
        if (answer.ok && await read(answer.body)) return
      } catch {
        // no network, or the page is left
      }
      // a proxy that ends each stream at once would otherwise be asked every second
      if (Date.now() - openAt > LIVED) wait = WAIT
      await new Promise(go => setTimeout(go, wait * (.5 + Math.random())))
    }
  }

  const start = () => {
    const left = new AbortController()
    addEventListener('pagehide', () => left.abort(), {once: true})
    navigator.locks.request(name, {signal: left.signal}, () => listen(left.signal)).catch(() => {})
  }

  const look = () => { if (!document.hidden && Date.now() - heardAt > LONGEST) askSoon() }
  setInterval(look, LONGEST)
  document.addEventListener('visibilitychange', look)
  addEventListener('pageshow', event => { if (event.persisted) start() })
  show(badge.firstElementChild.textContent)
  start()
}
