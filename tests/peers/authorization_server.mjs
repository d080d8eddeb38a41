// An authorization server that nobody here wrote (npm `oidc-provider`, OpenID-certified), and behind it a small API that
// takes its tokens: on two ports of 127.0.0.1 that the system chose. The first line of output is JSON with both addresses.
//
// Deliberately without a portal's mind: the API answers what is well-formed and remembers what it was told, so that a
// test can look at the requests. `GET /seen` of the API gives that, `POST /slow-down` has the next poll told to slow down.
//
// PEER holds the options as JSON: access_s and device_code_s (lifetimes), interval_s (of device polls; without it the
// server names none), issuer (what the metadata claim instead of the truth), id_token (the algorithm that signs it).
import { createHash } from 'node:crypto';
import http from 'node:http';
import { EmbeddedJWK, calculateJwkThumbprint, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import { Provider } from 'oidc-provider';

const options = { access_s: 60, device_code_s: 60, ...JSON.parse(process.env.PEER ?? '{}') };
const seen = { grants: [], calls: [] };
let slowDowns = 0;

const listening = async (server) => {
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return `http://127.0.0.1:${server.address().port}`;
};
const authorization = http.createServer();
const api = http.createServer((request, response) => {
  serve(request, response).catch((why) => answer(response, 500, { title: String(why) }));
});
const base = await listening(authorization);
const apiBase = `${await listening(api)}/api/v1`;

const alg = options.id_token ?? 'ES256';
const { privateKey } = await generateKeyPair(alg, { extractable: true });
const signing = { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: 'portal-1' };

const native = (client_id, more) => ({
  client_id,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  redirect_uris: ['http://127.0.0.1/domovoi/linked', 'http://127.0.0.1/sign-in/portal/return'],
  id_token_signed_response_alg: alg,
  ...more,
});
const provider = new Provider(options.issuer ?? base, {
  clients: [
    native('hub-bearer', {}),
    native('hub-dpop', { dpop_bound_access_tokens: true }),
    {
      client_id: 'api', client_secret: 'of-the-api', redirect_uris: [], response_types: [], grant_types: [],
      id_token_signed_response_alg: alg,
    },
  ],
  scopes: ['openid', 'offline_access'],
  jwks: { keys: [signing] },
  enabledJWA: { idTokenSigningAlgValues: [alg] },
  rotateRefreshToken: true,
  pkce: { required: () => true },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  ttl: {
    AccessToken: options.access_s, AuthorizationCode: 60, DeviceCode: options.device_code_s, Grant: 3600, IdToken: 3600,
    Interaction: 600, RefreshToken: 3600, Session: 600,
  },
  features: {
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => apiBase,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'accounts.read acts.write acts.read',
        accessTokenFormat: 'opaque',
        accessTokenTTL: options.access_s,
      }),
    },
  },
});
provider.use(async (ctx, next) => {
  if (ctx.path === '/token' && slowDowns > 0) {
    slowDowns -= 1;
    seen.grants.push({ error: 'slow_down' });
    ctx.status = 400;
    ctx.body = { error: 'slow_down' };
    return;
  }
  await next();
  if (ctx.path === '/device/auth' && ctx.status === 200 && options.interval_s) ctx.body.interval = options.interval_s;
  if (ctx.path === '/token') {
    const { grant_type, resource } = ctx.oidc?.params ?? {};
    seen.grants.push({ grant_type, resource, proof: 'dpop' in ctx.headers, error: ctx.body?.error });
  }
});
authorization.on('request', provider.callback());

function answer(response, status, body, headers = {}) {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { ...(body === undefined ? {} : { 'content-type': type }), ...headers });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

// What the token allows, or why it does not count. RFC 9449 section 7.1 for tokens that are bound to a key.
const proofs = new Set();
async function admitted(request) {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  if (!token) return 'no token';
  const asked = await fetch(`${base}/token/introspection`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from('api:of-the-api').toString('base64')}` },
    body: new URLSearchParams({ token }),
  });
  const told = await asked.json();
  if (!told.active) return 'the token is not active';
  if (told.aud !== apiBase) return `the token is for ${told.aud}`;
  if (told.cnf?.jkt === undefined) return scheme === 'Bearer' ? told : 'the scheme is not Bearer';
  if (scheme !== 'DPoP') return 'a bound token came as a bearer token';
  const { payload, protectedHeader } = await jwtVerify(request.headers.dpop ?? '', EmbeddedJWK, {
    typ: 'dpop+jwt', algorithms: ['ES256'], maxTokenAge: 300, clockTolerance: 5,
  });
  if ((await calculateJwkThumbprint(protectedHeader.jwk)) !== told.cnf.jkt) return 'the proof is of another key';
  if (payload.htm !== request.method) return 'the proof is for another method';
  if (payload.htu !== new URL(request.url.split('?')[0], apiBase).href) return 'the proof is for another address';
  if (payload.ath !== createHash('sha256').update(token).digest('base64url')) return 'the proof is for another token';
  if (proofs.has(payload.jti)) return 'the proof came twice';
  proofs.add(payload.jti);
  return told;
}

async function serve(request, response) {
  const body = await read(request);
  if (request.url === '/seen') return answer(response, 200, seen);
  if (request.url === '/slow-down') return answer(response, 200, { times: (slowDowns += 1) });
  const told = await admitted(request).catch((why) => String(why));
  if (typeof told === 'string') {
    return answer(response, 401, { type: 'about:blank/invalid-token', title: told, status: 401 }, { 'www-authenticate': 'Bearer, DPoP' });
  }
  const { method, url, headers } = request;
  const path = url.slice('/api/v1'.length);
  seen.calls.push({ method, path, headers, body: [...body], scope: told.scope, bound: told.cnf !== undefined });
  const now = new Date().toISOString();
  const sent = headers['content-type'] === 'application/json' ? JSON.parse(body) : undefined;
  if (method === 'GET' && path === '/accounts') return answer(response, 200, { accounts: [] });
  if (method === 'PUT' && /^\/acts\/[^/]+$/.test(path)) {
    const readings = sent.readings.map(({ reading_id }) => ({ reading_id, verdict: 'pending' }));
    const sha256 = createHash('sha256').update(body).digest('hex');
    return answer(response, 201, { act_id: sent.act_id, status: 'processing', sha256, received_at: now, readings });
  }
  if (method === 'POST') return answer(response, 201, { id: '1', at: now, status: 'new', ...sent });
  if (method === 'PUT' && /^\/(hub-keys|acts)\//.test(path)) return answer(response, 201);
  if (method === 'PUT' || method === 'DELETE') return answer(response, 204);
  return answer(response, 404, { type: 'about:blank/not-found', title: 'nothing is here', status: 404 });
}

console.log(JSON.stringify({ issuer: base, api: apiBase }));
// The test that started this process holds its standard input; when it goes, so does the server.
process.stdin.resume().on('end', () => process.exit(0));
