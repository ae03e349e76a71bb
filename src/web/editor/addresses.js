// Web and mail addresses in plain text, found as the server finds them (src/text/links.rs): one table of inputs tests
// both (tests/suite/composing/addresses.txt).
import {isSafeHref} from './schema.js'

/** Ends of names that are taken for a web address without `www.` or `https://` before it: no words of a sentence. */
const ENDINGS = /^(com|org|net|edu|gov|info|int|ca|uk|fr|eu|quebec|health|clinic)$/i
const NAME_RUN = /[\w.+-]*/y
const URL_RUN = /(?:[!#-;=?-[\]_a-z~]|(?![\x00-\x7f])[\p{Alphabetic}\p{N}\p{M}])*/uy
const HOST = /^(?:[a-z\d](?:[a-z\d-]*[a-z\d])?\.)+[a-z]{2,}$/i
const SPACELESS = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f]|[\u{20000}-\u{3ffff}]/u

/** The address of a link for what somebody typed, or null: www. and bare names get https, addresses with @ get mailto. */
export function hrefOf(typed) {
  const text = typed.trim()
  if (/\s/.test(text)) return null
  if (isSafeHref(text)) return text
  const [found] = findAddresses(text)
  if (found?.from === 0 && found.to === text.length) return found.href
  return /^[^\s/:@]+\.[^\s/:.@]{2,}/.test(text) ? `https://${text}` : null
}

/** [{from, to, href}], without the punctuation around. */
export function findAddresses(text) {
  const found = []
  for (let at = 0; at < text.length;) {
    const address = mayFollow(text, at) && addressAt(text, at)
    if (address) found.push({from: at, to: at + address.length, href: address.href})
    at += address ? address.length : runAt(NAME_RUN, text, at).length || 1
  }
  return found
}

const isLetter = c => /[\p{Alphabetic}\p{N}]/u.test(c) && !SPACELESS.test(c)

/** An address begins neither inside a word nor inside another address. */
function mayFollow(text, at) {
  const before = [...text.slice(Math.max(0, at - 2), at)].at(-1)
  return before === undefined || (!'_@/.+-'.includes(before) && !isLetter(before))
}

/** Whether a name does not end here. */
function goesOn(text, at) {
  const next = String.fromCodePoint(text.codePointAt(at) ?? 0x20)
  return '@_+-'.includes(next) || isLetter(next)
}

function runAt(pattern, text, at) {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

function addressAt(text, at) {
  const scheme = /^https?:\/\//i.exec(text.slice(at, at + 8))?.[0]
  if (scheme) {
    const start = at + scheme.length
    if (!/^[\p{Alphabetic}\p{N}[]/u.test(text.slice(start, start + 2))) return null
    const url = withoutTail(scheme + runAt(URL_RUN, text, start))
    return {length: url.length, href: scheme.toLowerCase() + url.slice(scheme.length)}
  }
  const run = runAt(NAME_RUN, text, at)
  if (text[at + run.length] !== '@') return webAt(text, at, run)
  const host = hostOf(runAt(NAME_RUN, text, at + run.length + 1))
  const length = run.length + 1 + (host?.length ?? 0)
  if (!host || !/^[a-z\d]/i.test(run) || goesOn(text, at + length)) return null
  return {length, href: `mailto:${text.slice(at, at + length)}`}
}

function webAt(text, at, run) {
  const host = hostOf(run)
  if (!host) return null
  const ending = host.split('.').at(-1)
  const known = ENDINGS.test(ending) && !/^[A-Z][a-z]*$/.test(ending)
  if (!(known || /^www\..+\./i.test(host)) || goesOn(text, at + host.length)) return null
  let end = at + host.length
  end += /^:\d+/.exec(text.slice(end, end + 12))?.[0].length ?? 0
  if (/[/?#]/.test(text[end] ?? '')) end += runAt(URL_RUN, text, end).length
  const url = withoutTail(text.slice(at, end))
  return {length: url.length, href: `https://${url}`}
}

/** The name of a host at the start of a run of names and points: two labels at least, the last of letters. */
function hostOf(run) {
  const host = run.split(/[_+]/)[0].replace(/[.-]+$/, '')
  return HOST.test(host) ? host : null
}

/** Punctuation at the end belongs to the sentence, a closing bracket only if none was opened inside. */
function withoutTail(address) {
  const unopened = {')': address.split(')').length - address.split('(').length, ']': address.split(']').length - address.split('[').length}
  let end = address.length
  for (; end > 0; end--) {
    const last = address[end - 1]
    if (unopened[last] > 0) unopened[last]--
    else if (!/[.,;:!?'*]/.test(last)) break
  }
  return address.slice(0, end)
}
