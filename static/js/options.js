// Hook: details[data-summary]: its summary says in [data-chosen] what is chosen inside: ticked boxes, and lists that do not
// stand at "0". The server says the same of the page as it comes.
export default function options(fold) {
  const chosen = fold.querySelector('[data-chosen]')
  fold.addEventListener('change', () => {
    const boxes = [...fold.querySelectorAll('input[type=checkbox]:checked')].map(box => box.closest('label').textContent.trim())
    const lists = [...fold.querySelectorAll('select')].filter(list => list.value !== '0')
      .map(list => `${list.labels[0].textContent} ${list.selectedOptions[0].textContent}`)
    chosen.textContent = [...boxes, ...lists].join(' · ')
  })
}
