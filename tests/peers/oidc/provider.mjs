// A real identity provider (OpenID Connect) for one test: any name signs in with any password. Says its issuer when it listens.
//
//   node provider.mjs PORT ORIGIN…      (the origins of the clinic, to which it sends browsers back)
import {Provider} from 'oidc-provider'

const [port, ...origins] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`
// the person, by the name that was typed
const groups = {owen: ['clinic-owners'], sam: ['clinic-staff'], vera: ['clinic-viewers']}

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'clinic',
    client_secret: 'a-secret-of-a-test-clinic-0123456789',
    redirect_uris: origins.map(origin => `${origin}/sign-in/provider/answer`),
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  pkce: {required: () => true},
  scopes: ['openid', 'email', 'profile', 'groups'],
  // by default the library puts these claims into `userinfo`, not into the ID token
  claims: {openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups']},
  features: {devInteractions: {enabled: true}, rpInitiatedLogout: {enabled: true}},
  cookies: {keys: ['a key of a test']},
  ttl: {Interaction: 600, Grant: 600, Session: 600, AccessToken: 600, IdToken: 600},
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({sub: id, email: `${id}@clinic.example`, email_verified: true, name: `Name of ${id}`, groups: groups[id] ?? []}),
  }),
})
// its development pages fetch a font from far away
provider.use(async (context, next) => {
  await next()
  if (typeof context.body === 'string') context.body = context.body.replace(/@import url\([^)]*\);?/g, '')
})
provider.on('server_error', (_, error) => console.error(error))
// its development pages are unstyled on purpose, and say so
console.warn = console.info = () => {}
provider.listen(Number(port), '127.0.0.1', () => console.log(issuer))
