// Hook: form[data-passkey="ADDRESS OF A CHALLENGE"], hidden; with data-make it makes a passkey, else it asks for one. What the
// device answers goes into the fields `challenge` and `credential`, and the form is sent as any other.
// See Web Authentication, Level 3. Values of bytes are base64url in what goes over the wire.
import {request} from './request.js'

const bytes = text => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), sign => sign.charCodeAt(0))
const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const known = list => list?.map(one => ({...one, id: bytes(one.id)}))

function make({publicKey: {challenge, user, excludeCredentials, ...rest}}) {
  const publicKey = {...rest, challenge: bytes(challenge), user: {...user, id: bytes(user.id)}, excludeCredentials: known(excludeCredentials)}
  return navigator.credentials.create({publicKey})
}

function ask({publicKey: {challenge, allowCredentials, ...rest}}) {
  return navigator.credentials.get({publicKey: {...rest, challenge: bytes(challenge), allowCredentials: known(allowCredentials)}})
}

function wire({id, rawId, type, response, ...rest}, extensions) {
  const fields = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']
  const values = fields.filter(name => response[name]).map(name => [name, text(response[name])])
  return JSON.stringify({id, rawId: text(rawId), type, response: Object.fromEntries(values), extensions})
}

export default function passkey(form) {
  if (!window.PublicKeyCredential) return
  form.hidden = false
  const problem = form.querySelector('[data-problem]')
  form.addEventListener('submit', async event => {
    event.preventDefault()
    problem.hidden = true
    try {
      const answer = await request(form.dataset.passkey, {method: 'POST', body: new URLSearchParams()})
      // something comes first: sent as it is, the form leads there, and back to what was typed
      if (answer.redirected) return form.submit()
      const {challenge, options} = await answer.json()
      const credential = await ('make' in form.dataset ? make : ask)(options)
      form.elements.challenge.value = challenge
      form.elements.credential.value = wire(credential, credential.getClientExtensionResults())
      form.submit()
    } catch {
      // said by the device, or by nobody: what to do is the same
      problem.hidden = false
    }
  })
}
