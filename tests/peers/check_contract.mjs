// Holds real requests against the contract: `node check_contract.mjs portal-api.yaml < requests.json`.
//
// First the document itself, with the published schema of OpenAPI 3.1. Then each request (method, path, headers, body as
// an array of bytes): its operation is looked up in the document, and its path, header and body must fit the schemas there, by npm
// `ajv` in the dialect of JSON Schema that OpenAPI 3.1 speaks. Prints one JSON object: operations, by request, and faults.
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

const api = parse(readFileSync(process.argv[2], 'utf8'), { merge: true });
const requests = JSON.parse(await text(process.stdin));
const faults = [];
const operations = [];

const openapi = new Validator();
const valid = await openapi.validate(structuredClone(api));
if (!valid.valid) faults.push(`the document: ${JSON.stringify(valid.errors)}`);
if (openapi.version !== '3.1') faults.push(`the document is of OpenAPI ${openapi.version}`);

// Strict: a keyword that JSON Schema does not know is a slip of the pen (in YAML, a comma in a text without quotes).
const ajv = new Ajv2020({ allErrors: true, strict: true });
addFormats(ajv);
const resolve = (node) => {
  while (node?.$ref) node = node.$ref.slice(2).split('/').reduce((at, part) => at?.[part.replace(/~1/g, '/').replace(/~0/g, '~')], api);
  return node;
};
// A schema of the document, with its references leading into one set of definitions.
const rebased = (schema) => JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"contract#/$defs/'));
ajv.addSchema(rebased({ $id: 'contract', $defs: api.components.schemas }));
const compiled = new Map();
const check = (where, schema, value) => {
  const key = JSON.stringify(schema);
  if (!compiled.has(key)) compiled.set(key, ajv.compile(rebased(schema)));
  const fits = compiled.get(key);
  if (!fits(value)) faults.push(`${where}: ${ajv.errorsText(fits.errors)}`);
};

// Every schema of the document must compile, used by a request or not.
for (const name of Object.keys(api.components.schemas)) {
  try {
    ajv.compile({ $ref: `contract#/$defs/${name}` });
  } catch (why) {
    faults.push(`schema ${name}: ${why.message}`);
  }
}

for (const { method, path, headers, body } of requests) {
  const segments = path.split('?')[0].split('/');
  const template = Object.keys(api.paths).find((candidate) => {
    const parts = candidate.split('/');
    return parts.length === segments.length && parts.every((part, i) => part === segments[i] || part.startsWith('{'));
  });
  const operation = api.paths[template]?.[method.toLowerCase()];
  if (!operation) {
    faults.push(`${method} ${path}: not in the contract`);
    continue;
  }
  operations.push(operation.operationId);
  for (const parameter of (operation.parameters ?? []).map(resolve)) {
    const value =
      parameter.in === 'path' ? decodeURIComponent(segments[template.split('/').indexOf(`{${parameter.name}}`)])
      : parameter.in === 'header' ? headers[parameter.name.toLowerCase()]
      : new URLSearchParams(path.split('?')[1]).get(parameter.name) ?? undefined;
    const where = `${operation.operationId}, ${parameter.in} ${parameter.name}`;
    if (value !== undefined) check(where, parameter.schema, value);
    else if (parameter.required) faults.push(`${where}: missing`);
  }
  const bytes = Buffer.from(body);
  if (!operation.requestBody) {
    if (bytes.length > 0) faults.push(`${operation.operationId}: a body where the contract has none`);
    continue;
  }
  const media = resolve(operation.requestBody).content[headers['content-type']];
  if (!media) faults.push(`${operation.operationId}: content-type ${headers['content-type']}`);
  else if (headers['content-type'] === 'application/json') check(operation.operationId, media.schema, JSON.parse(bytes));
  else if (bytes.length > media.schema.maxLength) faults.push(`${operation.operationId}: ${bytes.length} bytes`);
}
console.log(JSON.stringify({ operations, faults }));
