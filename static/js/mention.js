// Hook: select[data-mention], the users whom a note may mention; it is a combobox (combobox.js). "@" where a word begins, typed in the
// text of the same form, leads to their list. Who is chosen there stands in the text, where the typing goes on. What was typed there and
// names nobody is the text's: it is given back as soon as that is seen, by Escape, and where the focus goes elsewhere.

export default function mention(select) {
  const {form} = select
  const input = () => document.getElementById(`${select.id}-input`)
  let from // where the typing came from
  let before // who was chosen then

  const put = (text, leadsBack = true) => {
    const place = from
    const {richText} = form
    from = undefined
    input().value = ''
    if (richText) richText.step(richText.view.state.tr.insertText(text))
    if (leadsBack) (richText ?? place).focus()
    if (richText) return
    place.setRangeText(text, place.selectionStart, place.selectionEnd, 'end')
    place.dispatchEvent(new Event('input', {bubbles: true}))
  }
  const giveBack = leadsBack => put(`@${input().value}`, leadsBack)

  const look = event => {
    if (!from || event.isComposing) return
    const hasNone = document.getElementById(`${select.id}-list`).querySelector('.none')
    if (input().value && (hasNone || /^\s/.test(input().value))) giveBack()
  }
  // where the whole window loses the focus, it is still here
  const leave = () => { if (from && document.activeElement !== input()) giveBack(false) }

  form.addEventListener('keydown', event => {
    if (event.key !== '@' || event.isComposing || !input() || !beginsWord(event.target)) return
    event.preventDefault()
    from = event.target
    before = new Set(select.selectedOptions)
    input().value = ''
    // after the list, which fills itself by the same events
    for (const name of ['input', 'compositionend']) input().addEventListener(name, look)
    input().addEventListener('blur', leave)
    input().focus()
    input().click()
  })
  // before the list takes the key
  form.addEventListener('keydown', event => {
    if (event.key === 'Escape' && from && event.target === input()) giveBack()
  }, true)
  select.addEventListener('change', () => {
    const chosen = from && [...select.selectedOptions].find(option => !before.has(option))
    if (chosen) put(`@${chosen.dataset.name}\u00a0`)
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
