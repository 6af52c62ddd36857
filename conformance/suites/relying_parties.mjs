// The relying parties openid-client and oauth4webapi against the provider; see openid_client.py for the other side.
import * as client from 'openid-client'
import * as oauth from 'oauth4webapi'
import { createPrivateKey, webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const hear = async () => JSON.parse((await lines.next()).value)
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

const settings = await hear()
const issuer = new URL(settings.issuer)
const scope = 'openid profile identity'
const insecure = { [oauth.allowInsecureRequests]: issuer.protocol === 'http:' }
const execute = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : []

async function check(name, body) {
  try {
    await body()
    say({ check: name })
  } catch (error) {
    const cause = error.cause ? ` (${error.cause.code ?? ''} ${JSON.stringify(error.cause).slice(0, 300)})` : ''
    say({ check: name, error: `${error.code ?? error.name}: ${error.message}${cause}` })
  }
}

function expect(condition, why) {
  if (!condition) throw new Error(why)
}

async function browse(url, redirect_uri) {
  say({ browse: url.href, redirect_uri, plain: redirect_uri === undefined })
  const answer = await hear()
  if (answer.error) throw new Error(answer.error)
  return answer
}

async function keyOf(pem) {
  const key = createPrivateKey(pem)
  return webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), { name: 'Ed25519' }, false, ['sign'])
}

async function refused(promise, code) {
  try {
    await promise
  } catch (error) {
    if (error.error === code || error.cause?.error === code || error.code === code) return
    throw error
  }
  throw new Error(`not refused with ${code}`)
}

// --- openid-client ------------------------------------------------------------------------------------------------

async function withOpenidClient(name, facts, authentication) {
  const metadata = { id_token_signed_response_alg: 'ES256', require_auth_time: true }
  const config = await client.discovery(issuer, facts.id, metadata, authentication, { execute })
  client.enableNonRepudiationChecks(config)
  const held = {}
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const nonce = client.randomNonce()

  await check(`openid-client as ${name}: discovery, pushed request, code, ID token`, async () => {
    const [redirect_uri] = facts.redirect_uris
    const url = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri, scope, state, nonce, max_age: '43200',
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    })
    expect(url.searchParams.get('request_uri')?.startsWith('urn:ietf:params:oauth:request_uri:'), 'no request_uri')
    const back = new URL((await browse(url, redirect_uri)).url)
    expect(back.searchParams.get('iss') === settings.issuer, 'no iss')
    held.back = back
    held.tokens = await client.authorizationCodeGrant(config, back, {
      pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, maxAge: 43200,
    })
    held.claims = held.tokens.claims()
    expect(held.claims.acr.startsWith('urn:kh:vdia:'), `acr ${held.claims.acr}`)
  })
  if (!held.tokens) return held
  await check(`openid-client as ${name}: userinfo`, async () => {
    const info = await client.fetchUserInfo(config, held.tokens.access_token, held.claims.sub)
    expect(info['name#km'] && info.verified_claims.verification.trust_framework === 'kh_vdia', JSON.stringify(info))
  })
  await check(`openid-client as ${name}: introspection`, async () => {
    const seen = await client.tokenIntrospection(config, held.tokens.access_token)
    expect(seen.active === true && seen.client_id === facts.id, JSON.stringify(seen))
  })
  await check(`openid-client as ${name}: a used code is invalid_grant`, () => refused(
    client.authorizationCodeGrant(config, held.back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }),
    'invalid_grant'))
  await check(`openid-client as ${name}: revocation`, async () => {
    await client.tokenRevocation(config, held.tokens.access_token)
    expect((await client.tokenIntrospection(config, held.tokens.access_token)).active === false, 'still active')
  })
  held.config = config
  return held
}

// --- oauth4webapi -------------------------------------------------------------------------------------------------

async function withOauth4webapi(facts, authentication) {
  const party = { client_id: facts.id, id_token_signed_response_alg: 'ES256', require_auth_time: true }
  const [redirect_uri] = facts.redirect_uris
  let server, answer
  await check('oauth4webapi: metadata of OpenID Connect and of RFC 8414', async () => {
    for (const algorithm of ['oidc', 'oauth2']) {
      const found = await oauth.discoveryRequest(issuer, { algorithm, ...insecure })
      server = await oauth.processDiscoveryResponse(issuer, found)
    }
  })
  await check('oauth4webapi: pushed request, code, tokens, signature', async () => {
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const nonce = oauth.generateRandomNonce()
    const pushed = await oauth.processPushedAuthorizationResponse(server, party, await oauth.pushedAuthorizationRequest(
      server, party, authentication, {
        response_type: 'code', redirect_uri, scope, state, nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
      }, insecure))
    const url = new URL(server.authorization_endpoint)
    url.searchParams.set('client_id', facts.id)
    url.searchParams.set('request_uri', pushed.request_uri)
    const back = new URL((await browse(url, redirect_uri)).url)
    const parameters = oauth.validateAuthResponse(server, party, back, state)
    const response = await oauth.authorizationCodeGrantRequest(server, party, authentication, parameters, redirect_uri,
      verifier, insecure)
    answer = await oauth.processAuthorizationCodeResponse(server, party, response, { expectedNonce: nonce, requireIdToken: true })
    await oauth.validateApplicationLevelSignature(server, response, insecure)
  })
  if (!answer) return
  const { sub } = oauth.getValidatedIdTokenClaims(answer)
  await check('oauth4webapi: userinfo', async () => {
    const response = await oauth.userInfoRequest(server, party, answer.access_token, insecure)
    await oauth.processUserInfoResponse(server, party, sub, response)
  })
  await check('oauth4webapi: the access token is a JWT of RFC 9068 for this provider', async () => {
    const request = new Request(server.userinfo_endpoint, { headers: { authorization: `Bearer ${answer.access_token}` } })
    const claims = await oauth.validateJwtAccessToken(server, request, settings.issuer, { ...insecure, signingAlgorithms: ['ES256'] })
    expect(claims.client_id === facts.id, JSON.stringify(claims))
  })
  await check('oauth4webapi: the challenge of userinfo is well formed', async () => {
    const response = await oauth.userInfoRequest(server, party, 'nothing', insecure)
    await refused(oauth.processUserInfoResponse(server, party, sub, response), oauth.WWW_AUTHENTICATE_CHALLENGE)
  })
  await check('oauth4webapi: introspection and revocation', async () => {
    const ask = async () => oauth.processIntrospectionResponse(server, party,
      await oauth.introspectionRequest(server, party, authentication, answer.access_token, insecure))
    expect((await ask()).active === true, 'not active')
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, party, authentication, answer.access_token, insecure))
    expect((await ask()).active === false, 'still active')
  })
  await check('oauth4webapi: client credentials for the certificate service', async () => {
    const machine = { client_id: settings.officer.id }
    const response = await oauth.clientCredentialsGrantRequest(server, machine,
      oauth.ClientSecretBasic(settings.officer.secret), { scope: 'ca.read', resource: settings.ca }, insecure)
    const given = await oauth.processClientCredentialsResponse(server, machine, response)
    const request = new Request(settings.ca, { headers: { authorization: `Bearer ${given.access_token}` } })
    await oauth.validateJwtAccessToken(server, request, settings.ca, { ...insecure, signingAlgorithms: ['ES256'] })
  })
}

const gdt = await withOpenidClient('gdt', settings.gdt, client.ClientSecretBasic(settings.gdt.secret))
const key = await keyOf(settings.nssf.key)
const nssf = await withOpenidClient('nssf', settings.nssf, client.PrivateKeyJwt({ key }))
await check('openid-client: the two see different subjects', async () => {
  expect(gdt.claims.sub && nssf.claims.sub && gdt.claims.sub !== nssf.claims.sub, 'the same sub')
})
await withOauth4webapi(settings.nssf, oauth.PrivateKeyJwt({ key }))
await check('openid-client: an answer with another issuer is not accepted (mix-up)', async () => {
  const back = new URL(gdt.back)
  back.searchParams.set('iss', 'https://evil.example')
  await refused(client.authorizationCodeGrant(gdt.config, back, { pkceCodeVerifier: 'x'.repeat(43), expectedState: back.searchParams.get('state') }),
    oauth.INVALID_RESPONSE)
})
await check('openid-client: logout that the client asks for', async () => {
  const home = new URL('/', settings.gdt.redirect_uris[0]).href
  const url = client.buildEndSessionUrl(gdt.config, {
    id_token_hint: gdt.tokens.id_token, post_logout_redirect_uri: home, state: 'bye' })
  const answer = await browse(url)
  expect(answer.status === 303 && answer.url === `${home}?state=bye`, JSON.stringify(answer))
})
say({ end: true })
process.exit(0)
