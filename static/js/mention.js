// Hook: select[data-mention], the users whom a note may mention; it is a combobox (combobox.js). "@" where a word begins, typed in the
// text of the same form, leads to their list. Who is chosen there stands in the text, where the typing goes on; Escape leads back, and
// leaves the "@".
import {make} from './common.js'

export default function mention(select) {
  const {form} = select
  const input = () => document.getElementById(`${select.id}-input`)
  let from // where the typing came from
  let before // who was chosen then

  const back = text => {
    const place = from
    from = undefined
    if (form.richText) return form.richText.insert(make('p', {text}).innerHTML)
    place.focus()
    place.setRangeText(text, place.selectionStart, place.selectionEnd, 'end')
    place.dispatchEvent(new Event('input', {bubbles: true}))
  }

  form.addEventListener('keydown', event => {
    if (event.key !== '@' || event.isComposing || !input() || !beginsWord(event.target)) return
    event.preventDefault()
    from = event.target
    before = new Set(select.selectedOptions)
    input().addEventListener('blur', () => { from = undefined }, {once: true})
    input().focus()
    input().click()
  })
  // before the list takes the key
  form.addEventListener('keydown', event => {
    if (event.key === 'Escape' && from && event.target === input()) back('@')
  }, true)
  select.addEventListener('change', () => {
    const chosen = from && [...select.selectedOptions].find(option => !before.has(option))
    if (chosen) back(`@${chosen.dataset.name}\u00a0`)
  })
}

/** Whether a word begins where the text is typed: not within an address. */
function beginsWord(target) {
  let last
  if (target.matches('textarea')) last = target.value[target.selectionStart - 1]
  else if (!target.isContentEditable) return false
  else {
    const {anchorNode, anchorOffset} = getSelection()
    if (anchorNode?.nodeType === Node.TEXT_NODE) last = anchorNode.data[anchorOffset - 1]
  }
  return !last || /\s/.test(last)
}
