// The page for passcode and date of birth. Works without; with it the page says at once what is no date, and when another
// passcode may be asked for. The server reads the date by the same rules, and decides.
// Hooks: fieldset.dob + [data-no-date=WORDS]; [data-wait=SECONDS][data-words], whose {seconds} is filled in
import submitOnce from './submit-once.js'

const fold = text => text.trim().toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')

/** The months by their names, in the languages that the server reads. */
const MONTHS = ['en', 'fr'].map(language => {
  const named = new Intl.DateTimeFormat(language, {month: 'long', timeZone: 'UTC'})
  return Array.from({length: 12}, (_, month) => fold(named.format(new Date(Date.UTC(2001, month, 1)))))
})

function monthOf(text) {
  const word = fold(text).replace(/\.$/, '')
  if (/^\d{1,2}$/.test(word)) return Number(word)
  if (word.length < 3 || word === 'jui') return NaN // jui begins juin and juillet
  return MONTHS[0].findIndex((name, at) => name.startsWith(word) || MONTHS[1][at].startsWith(word)) + 1
}

function dayOf(text) {
  const number = /^(\d{1,2})(?:\.|st|nd|rd|th|er)?$/.exec(fold(text))
  return number ? Number(number[1]) : NaN
}

function isDate(day, month, year) {
  const exists = (d, m) => d > 0 && m > 0 && m < 13 && new Date(Date.UTC(Number(year), m - 1, d)).getUTCMonth() === m - 1
  // of two numbers each is what its label says
  const [d, m] = /\p{L}{3}/u.test(day) ? [month, day] : [day, month]
  return /^\d{4}$/.test(year.trim()) && exists(dayOf(d), monthOf(m))
}

function sayNoDate(place) {
  const fieldset = place.previousElementSibling
  const typed = () => Array.from(fieldset.querySelectorAll('input'), input => input.value)
  const look = isWhole => {
    const says = typed().every(isWhole) && !isDate(...typed()) ? place.dataset.noDate : ''
    if (place.textContent !== says) place.textContent = says
  }
  // while somebody types, a year of three digits is only the beginning of one
  fieldset.addEventListener('input', () => look((value, at) => value.trim().length >= (at === 2 ? 4 : 1)))
  fieldset.addEventListener('change', () => look(value => value.trim() !== ''))
}

function countDown(line) {
  let left = Number(line.dataset.wait)
  const timer = setInterval(() => {
    left -= 1
    if (left > 0) line.textContent = line.dataset.words.replace('{seconds}', left)
    else {
      clearInterval(timer)
      line.remove()
    }
  }, 1000)
}

for (const form of document.querySelectorAll('form[method=post]')) submitOnce(form)
for (const place of document.querySelectorAll('fieldset.dob + [data-no-date]')) sayNoDate(place)
for (const line of document.querySelectorAll('[data-wait]')) countDown(line)
