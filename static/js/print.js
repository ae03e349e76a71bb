// Hook: button[data-print]. Give it the attribute `hidden`: without JavaScript it could do nothing.
export default function printButton(button) {
  button.hidden = false
  button.addEventListener('click', () => print())
}
