// Hook: a[data-open-dialog]. The linked page's own main part, fetched as a fragment (header X-Fragment: 1) and shown in a
// window (window.js) over the page. Without JavaScript, or when the fetch fails, it is the plain link that it is.
// The window's script comes with the first click, beside the fragment: the page itself stays light.
import {isOthers, request} from './request.js'

export default function openInDialog(link, {enhance}) {
  let opening = false
  link.addEventListener('click', async event => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    if (opening) return
    opening = true
    link.setAttribute('aria-busy', 'true')
    try {
      const [html, script] = await Promise.all([fetchFragment(link.href), import('./window.js').catch(() => null)])
      if (html === undefined) return
      if (html === null || !script) location.assign(link.href)
      else await new script.default(link, enhance).open(html)
    } finally {
      opening = false
      link.removeAttribute('aria-busy')
    }
  })
}

/** The fragment's HTML, or null where the plain link is the better answer (signed out, not found, no network); undefined: the page is of somebody else. */
async function fetchFragment(url) {
  try {
    const response = await request(url, {headers: {'X-Fragment': '1'}})
    if (isOthers(response)) return
    return response.ok && !response.redirected ? await response.text() : null
  } catch {
    return null
  }
}
