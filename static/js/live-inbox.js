// Hook: [data-live-inbox] (whose conversations: mine, all), around the views with their counts, the list and the way to more. When
// something in it changes, the page is asked for again and what is different is put in its place, in the tabs above too: scrolling,
// focus and ticks stay. A line that is ticked or has the focus stays in the list, even where it would not be in it any more.
// Strings: live_list, and those of marks.js
import {say, wordsFor} from './common.js'
import {byItself, eased, hear} from './live.js'

const SAID_EVERY = 10000 // ms

const key = line => line.querySelector('a.item')?.getAttribute('href')
// links of two rows of tabs may have one address
const nameOf = tab => tab.closest('nav').getAttribute('aria-label') + tab.getAttribute('href')
const namesOf = views => [...views.children].map(view => view.getAttribute('href')).join(' ')
const isHeld = line => line.querySelector(':checked') || line.contains(document.activeElement)

export default function liveInbox(place) {
  const words = wordsFor(place)
  // put() keeps the place itself; the browser would do it a second time
  document.documentElement.style.overflowAnchor = 'none'
  const isAll = place.dataset.liveInbox === 'all'
  let saidAt = 0
  let saying

  /** Not more often than one can listen to; what comes sooner is said once, when it is time. */
  const sayChanged = () => {
    saying ??= setTimeout(() => {
      saying = undefined
      saidAt = Date.now()
      say(words('live_list'))
    }, Math.max(0, saidAt + SAID_EVERY - Date.now()))
  }

  const soon = eased(async () => {
    const answer = await byItself(location.pathname + location.search, {headers: {'X-Fragment': 1}})
    if (!answer.ok || answer.redirected) return
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-live-inbox]')
    if (fresh && put(fresh)) sayChanged()
  }, true)

  /** Puts what is different in its place, and keeps the first line that is seen where it is. Gives whether a line has come, or become
      unread. */
  const put = fresh => {
    // measured before anything changes: counts that take another line shift the list too
    const anchor = [...place.querySelectorAll('.work > li')].find(line => line.getBoundingClientRect().bottom > 0)
    const top = anchor?.getBoundingClientRect().top
    const isNews = putParts(fresh)
    if (anchor?.isConnected && scrollY > 0) scrollBy(0, anchor.getBoundingClientRect().top - top)
    return isNews
  }

  /** Gives whether a line has come, or become unread. */
  const putParts = fresh => {
    const list = place.querySelector('.work')
    const next = fresh.querySelector('.work')
    const tabs = [...fresh.ownerDocument.querySelectorAll('.tabs a')]
    for (const tab of document.querySelectorAll('.tabs a')) {
      const same = tabs.find(one => nameOf(one) === nameOf(tab))
      if (same) renew(tab, same)
    }
    // some views are there only while they hold something
    const views = place.querySelector('.counts')
    const nextViews = fresh.querySelector('.counts')
    if (namesOf(views) !== namesOf(nextViews) && !views.contains(document.activeElement)) views.replaceChildren(...nextViews.childNodes)
    const pager = place.querySelector('.pager')
    const nextPager = fresh.querySelector('.pager')
    if (pager && nextPager) renew(pager, nextPager)
    else if (pager && !pager.contains(document.activeElement)) pager.remove()
    else if (nextPager) place.append(nextPager)
    if (list && next) return merge(list, next)
    if (list && [...list.children].some(isHeld)) return merge(list, document.createElement('ul'))
    const others = [...place.children].filter(one => !one.matches('.counts, .pager'))
    const news = [...fresh.children].filter(one => !one.matches('.counts, .pager'))
    if (list === next && others[0]?.isEqualNode(news[0])) return false
    const hadFocus = others.some(one => one.contains(document.activeElement))
    for (const one of others) one.remove()
    place.querySelector('.counts').after(...news)
    if (hadFocus) document.getElementById('main').focus()
    return Boolean(next)
  }

  // marks are made beside the page, by a script that comes with the first tick; a button with data-plain leads to a page
  place.addEventListener('change', () => import('./marks.js').catch(() => {}), {once: true})
  place.addEventListener('submit', event => {
    const {target: form, submitter} = event
    if (!form.matches('[data-marks]:not([data-plain])') || submitter?.matches('[data-plain]')) return
    event.preventDefault()
    import('./marks.js').then(({default: mark}) => mark(form, submitter), () => {
      form.dataset.plain = ''
      form.requestSubmit(submitter)
    })
  })
  place.addEventListener('marked', soon)

  hear(({kind, conversation, mine, own}) => {
    if (/^(ready|listed|answering)$/.test(kind)) return
    if (mine !== false || own || isAll || place.querySelector(`a[href="/conversations/${conversation}"]`)) soon(kind)
  })
}

/** Makes an element what another one is, and remains the same element. */
function renew(old, fresh) {
  if (old.isEqualNode(fresh)) return
  for (const {name, value} of fresh.attributes) old.setAttribute(name, value)
  if (old.innerHTML !== fresh.innerHTML) old.innerHTML = fresh.innerHTML
}

function merge(list, next) {
  const focus = document.activeElement
  const old = new Map([...list.children].map(line => [key(line), line]))
  let isNews = false
  let at = 0
  for (const fresh of [...next.children]) {
    let line = old.get(key(fresh))
    isNews ||= fresh.matches('.unread') && !line?.matches('.unread')
    if (line) {
      old.delete(key(fresh))
      line.className = fresh.className
      const parts = [...fresh.children]
      if (parts.length === line.children.length) parts.forEach((part, place) => { if (!part.matches('.pick')) renew(line.children[place], part) })
      else line.replaceChildren(...parts)
    } else line = fresh
    if (list.children[at] !== line) list.insertBefore(line, list.children[at] ?? null)
    at++
  }
  for (const line of old.values()) if (!isHeld(line)) line.remove()
  if (focus.isConnected && focus !== document.activeElement) focus.focus({preventScroll: true})
  return isNews
}
