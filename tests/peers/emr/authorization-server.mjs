// The authorization server of an EMR (SMART Backend Services) for one test. Says its issuer when it listens.
//
//   node authorization-server.mjs PORT FHIR_BASE KEYS SECONDS SCOPES
//
// The client `postern` signs in by the keys at the address KEYS, and may have SCOPES (spaces between). The client `filler`, by which
// tests write into the EMR, signs in by a secret. Tokens last SECONDS.
//
// It opens the client `postern-launch` too (EHR launch): any name signs in with any password. What is open is what the launch says:
// `chart:PATIENT`, `message:PATIENT`, or `nothing`.
import {generateKeyPairSync} from 'node:crypto'
import {Provider, errors} from 'oidc-provider'

const [port, base, keys, seconds, allowed] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`
const everything = 'system/*.cruds'
const scopes = [...new Set([everything, 'system/*.rs', ...allowed.split(' ')])]

// what is open, by the code that the clinic redeems
const launched = new Map()
const opened = (launch = '') => {
  const [intent, patient] = launch.split(':')
  return {...patient && {patient, need_patient_banner: true}, ...intent === 'message' && {intent}}
}

const signing = generateKeyPairSync('rsa', {modulusLength: 2048}).privateKey.export({format: 'jwk'})

// the first line that it prints is its issuer
console.warn = console.info = () => {}
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'postern',
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES384',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    jwks_uri: keys,
    scope: allowed,
  }, {
    client_id: 'filler',
    client_secret: 'a-secret-of-a-test-emr-0123456789abcdef',
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    scope: everything,
  }, {
    client_id: 'postern-launch',
    token_endpoint_auth_method: 'none',
    // the port of the clinic is not known yet, and does not count for a native client (RFC 8252, section 7.3)
    application_type: 'native',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: ['http://127.0.0.1/emr/answer'],
  }],
  jwks: {keys: [{...signing, kid: 'of-the-emr', alg: 'RS256', use: 'sig'}]},
  scopes: ['openid', 'fhirUser', 'launch', ...scopes],
  claims: {openid: ['sub'], fhirUser: ['fhirUser']},
  conformIdTokenClaims: false,
  extraParams: ['launch', 'aud'],
  pkce: {required: () => true},
  findAccount: (_, id) => ({accountId: id, claims: () => ({sub: id, fhirUser: `${base}/Practitioner/${id}`})}),
  clientAuthMethods: ['private_key_jwt', 'client_secret_basic', 'none'],
  enabledJWA: {clientAuthSigningAlgValues: ['ES384']},
  // the library itself asks no address of this machine
  fetch: (url, options) => {
    const {dispatcher, ...rest} = options
    return globalThis.fetch(url, rest)
  },
  // as SMART Backend Services wants: a key that is named, and five minutes at most
  assertJwtClientAuthClaimsAndHeader: async (_, claims, header) => {
    if (claims.exp - Date.now() / 1000 > 300) throw new errors.InvalidClientAuth('exp is more than five minutes ahead')
    if (!header.kid) throw new errors.InvalidClientAuth('kid is missing')
  },
  cookies: {keys: ['a key of a test']},
  features: {
    clientCredentials: {enabled: true},
    devInteractions: {enabled: true},
    resourceIndicators: {
      enabled: true,
      defaultResource: () => base,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: [...scopes, 'openid', 'fhirUser', 'launch'].join(' '),
        audience: base,
        accessTokenTTL: Number(seconds),
        accessTokenFormat: 'jwt',
        jwt: {sign: {alg: 'RS256'}},
      }),
    },
  },
  extraTokenClaims: (_, token) => token.kind === 'ClientCredentials' ? {sub: token.clientId} : undefined,
})
provider.on('authorization.success', (context, out) => {
  if (out?.code) launched.set(out.code, context.oidc.params.launch)
})
provider.use(async (context, next) => {
  await next()
  // its development pages fetch a font from far away
  if (typeof context.body === 'string') context.body = context.body.replace(/@import url\([^)]*\);?/g, '')
  if (context.oidc?.route === 'token' && context.body?.id_token) Object.assign(context.body, opened(launched.get(context.oidc.params.code)))
})
provider.on('grant.error', (_, error) => console.error('grant.error', error.message, error.error_detail))
provider.on('server_error', (_, error) => console.error(error))
provider.listen(Number(port), '127.0.0.1', () => console.log(issuer))
