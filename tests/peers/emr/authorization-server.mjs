// The authorization server of an EMR (SMART Backend Services) for one test. Says its issuer when it listens.
//
//   node authorization-server.mjs PORT FHIR_BASE KEYS SECONDS SCOPES
//
// The client `postern` signs in by the keys at the address KEYS, and may have SCOPES (spaces between). The client `filler`, by which
// tests write into the EMR, signs in by a secret. Tokens last SECONDS.
import {generateKeyPairSync} from 'node:crypto'
import {Provider, errors} from 'oidc-provider'

const [port, base, keys, seconds, allowed] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`
const everything = 'system/*.cruds'
const scopes = [...new Set([everything, 'system/*.rs', ...allowed.split(' ')])]

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
  }],
  jwks: {keys: [{...signing, kid: 'of-the-emr', alg: 'RS256', use: 'sig'}]},
  scopes,
  clientAuthMethods: ['private_key_jwt', 'client_secret_basic'],
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
    devInteractions: {enabled: false},
    resourceIndicators: {
      enabled: true,
      defaultResource: () => base,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: scopes.join(' '),
        audience: base,
        accessTokenTTL: Number(seconds),
        accessTokenFormat: 'jwt',
        jwt: {sign: {alg: 'RS256'}},
      }),
    },
  },
  extraTokenClaims: (_, token) => token.kind === 'ClientCredentials' ? {sub: token.clientId} : undefined,
})
provider.on('grant.error', (_, error) => console.error('grant.error', error.message, error.error_detail))
provider.on('server_error', (_, error) => console.error(error))
provider.listen(Number(port), '127.0.0.1', () => console.log(issuer))
