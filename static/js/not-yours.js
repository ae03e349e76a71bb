// Says on a page that it is of somebody else, in the words of the answer. What was typed stays; in an open dialog
// everything outside is out of sight.
export default function tell(html) {
  if (document.querySelector('[data-not-yours]')) return
  const alert = new DOMParser().parseFromString(html, 'text/html').querySelector('[data-not-yours]')
  const heading = alert?.querySelector('h1')
  if (!heading) return
  const second = document.createElement('h2')
  second.textContent = heading.textContent
  heading.replaceWith(second)
  const place = document.querySelector('dialog.window[open]') ?? document.getElementById('main')
  place.prepend(alert)
  alert.scrollIntoView({block: 'nearest'})
}
