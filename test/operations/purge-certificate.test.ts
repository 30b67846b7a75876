import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompactSign, importJWK } from 'jose'
import { CertificateInvalidError, ConfigurationError } from '../../src/errors.ts'
import { certificateKey, certificateKeySet, certificateSecretName } from '../../src/operations/certificate-key.ts'
import { notCoveredByPurges, type PurgeCertificate, signCertificate, verifyCertificate } from '../../src/operations/purge-certificate.ts'
import { assertEmpty, removedOf } from '../../src/operations/purge-store.ts'
import { MemorySecrets } from './stage.ts'

const certificate: PurgeCertificate = {
  version: 1,
  operation: '01a20609-5f63-72c3-b31d-cdb87767de08',
  tenant: {
    id: '01a20609-5f5c-774c-9070-17eded108e74',
    slugSha256: 'ab'.repeat(32),
    region: 'default',
    placement: { isolation: 'pooled', server: 'main', database: 'main', schema: 'app' },
  },
  requestedBy: { kind: 'staff', id: 'alice' },
  requestedAt: '2026-01-01T00:00:00.000Z',
  reason: 'contract ended',
  purgedFrom: '2026-01-31T00:00:00.000Z',
  purgedUntil: '2026-01-31T00:00:01.000Z',
  verifiedAt: '2026-01-31T00:00:02.000Z',
  export: { manifestSha256: 'cd'.repeat(32), rows: 7 },
  stores: [{ store: 'placement', before: [{ kind: 'rows', where: 'app.notes', count: 7 }], removed: [], after: [] }],
  notCovered: notCoveredByPurges,
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

async function signed() {
  const secrets = new MemorySecrets()
  const key = await certificateKey(secrets)
  return { secrets, key, ...(await signCertificate(certificate, key)) }
}

test('a certificate verifies with the public key, and says what was certified', async () => {
  const { text, key, secrets } = await signed()
  assert.deepEqual(await verifyCertificate(text, key.public), certificate)
  assert.deepEqual(await verifyCertificate(`${text}\n`, await certificateKeySet(secrets)), certificate)
})

/** The same object with one leaf changed, for every leaf. */
function* tampered(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) for (const changed of tampered(item)) yield value.with(index, changed)
    yield [...value, 'one more']
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      for (const changed of tampered(item)) yield { ...value, [key]: changed }
      yield Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
    }
  } else if (typeof value === 'number') yield value + 1
  else yield `${String(value)}!`
}

test('whichever field is changed or left out, the certificate is refused', async () => {
  const { text, key } = await signed()
  const [head, , signature] = text.split('.')
  let count = 0
  for (const changed of tampered(certificate)) {
    await assert.rejects(verifyCertificate(`${head}.${base64url(changed)}.${signature}`, key.public), CertificateInvalidError)
    count += 1
  }
  assert.ok(count > 40, `${count} fields were changed`)
})

test('a changed header, another algorithm, none at all, another key: refused', async () => {
  const { text, key } = await signed()
  const [, payload, signature] = text.split('.')
  const other = await signed()
  const heads = [
    { alg: 'none', typ: 'partywall-purge-certificate+jws', kid: key.kid },
    { alg: 'HS256', typ: 'partywall-purge-certificate+jws', kid: key.kid },
    { alg: 'EdDSA', typ: 'JWT', kid: key.kid },
    { alg: 'EdDSA', typ: 'partywall-purge-certificate+jws', kid: other.kid },
  ]
  for (const head of heads) {
    await assert.rejects(verifyCertificate(`${base64url(head)}.${payload}.${signature}`, key.public), CertificateInvalidError)
  }
  await assert.rejects(verifyCertificate(`${base64url(heads[0])}.${payload}.`, key.public), CertificateInvalidError)
  await assert.rejects(verifyCertificate(text, other.key.public), CertificateInvalidError)
  await assert.rejects(verifyCertificate('not a certificate', key.public), CertificateInvalidError)
  await assert.rejects(verifyCertificate('', key.public), CertificateInvalidError)
})

test('a good signature under something else is no certificate', async () => {
  const { key } = await signed()
  const sign = async (value: unknown, typ: string) =>
    await new CompactSign(Buffer.from(JSON.stringify(value)))
      .setProtectedHeader({ alg: 'EdDSA', typ, kid: key.kid })
      .sign(await importJWK(key.private, 'EdDSA'))
  const type = 'partywall-purge-certificate+jws'
  assert.ok(await verifyCertificate(await sign(certificate, type), key.public))
  await assert.rejects(verifyCertificate(await sign(certificate, 'JWT'), key.public), CertificateInvalidError)
  await assert.rejects(verifyCertificate(await sign({ ...certificate, version: 2 }, type), key.public), CertificateInvalidError)
  await assert.rejects(verifyCertificate(await sign(null, type), key.public), CertificateInvalidError)
  const left = { ...certificate, stores: [{ store: 'files', before: [], removed: [], after: [{ kind: 'files', where: 'x', count: 1 }] }] }
  await assert.rejects(verifyCertificate(await sign(left, type), key.public), /left in files/)
})

test('the key is made once; what is kept in its place and is none is not replaced', async () => {
  const secrets = new MemorySecrets()
  const [one, two] = [await certificateKey(secrets), await certificateKey(secrets)]
  assert.equal(one.kid, two.kid)
  assert.equal('d' in one.public, false)
  for (const wrong of ['', 'x', 'null', '{"kty":"RSA"}', JSON.stringify(one.public)]) {
    secrets.kept.set(certificateSecretName, wrong)
    await assert.rejects(certificateKey(secrets), ConfigurationError)
    assert.equal(secrets.kept.get(certificateSecretName), wrong)
  }
})

test('a report that was lost with its process is made good by what is no longer there', () => {
  const rows = (count: number) => [{ kind: 'rows', where: 'notes', count }]
  assert.deepEqual(removedOf(rows(7), rows(3), []), rows(7))
  assert.deepEqual(removedOf([], rows(3), []), rows(3))
  assert.deepEqual(removedOf(rows(7), [], rows(7)), [])
  assert.doesNotThrow(() => assertEmpty([{ store: 'files', kind: 'files', where: 'x', count: 0 }]))
})
