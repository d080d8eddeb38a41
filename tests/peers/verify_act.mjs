// Verifies an act's detached JWS with npm `jose`. Standard input is JSON: document (an array of bytes), signature (the compact form
// without its payload) and jwk (the public key). Prints the protected header as JSON; fails when the signature does not hold.
import { text } from 'node:stream/consumers';
import { calculateJwkThumbprint, flattenedVerify, importJWK } from 'jose';

const { document, signature, jwk } = JSON.parse(await text(process.stdin));
const parts = signature.split('.');
if (parts.length !== 3 || parts[1] !== '') throw new Error('this is not a detached JWS');
const jws = { protected: parts[0], payload: Buffer.from(document).toString('base64url'), signature: parts[2] };
const { protectedHeader } = await flattenedVerify(jws, await importJWK(jwk, 'ES256'), { algorithms: ['ES256'] });
console.log(JSON.stringify({ header: protectedHeader, thumbprint: await calculateJwkThumbprint(jwk) }));
