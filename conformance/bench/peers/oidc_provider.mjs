// node-oidc-provider as a baseline: one process, everything in memory, an ES256 key in memory, the same client, flow
// and kinds of token as ours. Settings come as JSON on standard input, so that no secret stands in the arguments.
import { readFileSync } from 'node:fs';
import { generateKeyPair, exportJWK } from 'jose';
import Provider from 'oidc-provider';

const settings = JSON.parse(readFileSync(0, 'utf8'));
const { privateKey } = await generateKeyPair('ES256', { extractable: true });

const provider = new Provider(settings.issuer, {
  clients: [{
    client_id: settings.client_id,
    client_secret: settings.client_secret,
    redirect_uris: [settings.redirect_uri],
    grant_types: ['authorization_code', 'client_credentials'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
  }],
  jwks: { keys: [{ ...(await exportJWK(privateKey)), use: 'sig', alg: 'ES256' }] },
  cookies: { keys: [settings.cookie_key] },
  claims: { openid: ['sub'], profile: ['name', 'given_name', 'family_name', 'birthdate'] },
  features: {
    clientCredentials: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: 'read', audience: settings.resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: 'CHAN BOPHA', given_name: 'BOPHA', family_name: 'CHAN', birthdate: '1988-02-14' }),
  }),
  // Consent was given once: every later request finds it.
  async loadExistingGrant(ctx) {
    const kept = ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId);
    if (kept) return ctx.oidc.provider.Grant.find(kept);
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope(settings.scope);
    await grant.save();
    return grant;
  },
});

provider.listen(settings.port, '127.0.0.1');
