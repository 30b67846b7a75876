import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redactor, redactedText } from '../../src/core/redaction.ts'

const redactor = new Redactor()
const secrets = {
  'email address': 'ada@acme.example',
  'email address of many letters': 'žofie+news@müller.example',
  token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
  'encrypted token': 'eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn',
  'api key': `pw_live_${'a'.repeat(12)}_${'B'.repeat(43)}`,
  'key of a cloud': 'AKIAIOSFODNN7EXAMPLE',
  'token of a forge': `ghp_${'a1'.repeat(18)}`,
  'private key': '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----',
}

for (const [kind, secret] of Object.entries(secrets)) {
  test(`${kind}: gone from a message, a nested object, a key, an error, its cause and its fields`, () => {
    assert.equal(redactor.text(`before ${secret} after`), `before ${redactedText} after`)
    assert.equal(redactor.kindsIn(`before ${secret} after`).length, 1)
    const error = Object.assign(new TypeError(secret, { cause: new TypeError(secret) }), { at: [secret] })
    const told = {
      a: [{ b: secret }],
      error,
      [`is ${secret}`]: 1,
      map: new Map([[secret, secret]]),
      set: new Set([secret]),
      toJSON: undefined,
    }
    const left = JSON.stringify(redactor.value({ ...told, thing: { toJSON: () => ({ x: secret }) } }))
    assert.ok(!left.includes(JSON.stringify(secret).slice(1, -1)), left)
    // In a line that was made by others, too.
    const line = redactor.text(JSON.stringify({ msg: `it is ${secret}`, n: 1 }))
    assert.deepEqual(JSON.parse(line), { msg: `it is ${redactedText}`, n: 1 })
  })
}

test('credentials and passwords are gone, and what is beside them is kept', () => {
  assert.equal(redactor.text('Authorization: Bearer abcdefgh12345'), `Authorization: Bearer ${redactedText}`)
  assert.equal(redactor.text('Basic dXNlcjpwYXNz'), `Basic ${redactedText}`)
  assert.equal(redactor.text('postgres://app:s3cret@db/x'), `postgres://app:${redactedText}@db/x`)
  assert.equal(redactor.text("host=db password='s3 cret' port=1"), `host=db password=${redactedText} port=1`)
  assert.equal(redactor.text('password: hunter2, again'), `password: ${redactedText}, again`)
})

test('what is only like a secret is kept', () => {
  const plain = [
    'PW_NO_TENANT',
    '01a20da3-2f37-7495-977a-63ac5b6ad9ac',
    'a@b',
    'user@localhost',
    'https://acme.example:8443/x',
    'a basic test',
    'eyJ',
  ]
  for (const text of plain) assert.equal(redactor.text(text), text)
})

test('a field that is personal by its name is gone whatever it holds; and others are kept', () => {
  const value = {
    firstName: 'Ada',
    access_token: 'x',
    'set-cookie': ['a=b'],
    phone: 49_123,
    orderId: 7,
    status: 'paid',
    name: 'report',
    hasEmail: true,
    dob: null,
  }
  assert.deepEqual(redactor.value(value), {
    firstName: redactedText,
    access_token: redactedText,
    'set-cookie': redactedText,
    phone: redactedText,
    orderId: 7,
    status: 'paid',
    name: 'report',
    hasEmail: true,
    dob: null,
  })
})

test('an application has fields and patterns of its own, and names that are harmless with it', () => {
  const own = new Redactor({ fields: ['documents.title', 'patients.case_number'], keep: ['tokens'], patterns: [/\bK-\d{6}\b/g] })
  assert.deepEqual(own.value({ title: 'Will', caseNumber: 'x', tokens: 512, msg: 'of K-123456' }), {
    title: redactedText,
    caseNumber: redactedText,
    tokens: 512,
    msg: `of ${redactedText}`,
  })
})

test('whatever it is given, it ends, throws nothing, and is bounded', () => {
  const circle: Record<string, unknown> = { n: 1n, s: Symbol('x'), f: () => 1, at: new Date(0), bytes: Buffer.from('ada@acme.example') }
  circle['self'] = circle
  assert.deepEqual(redactor.value(circle), { n: '1', s: undefined, f: undefined, at: new Date(0), bytes: '[16 bytes]', self: redactedText })
  const broken = Object.defineProperty({}, 'x', { enumerable: true, get: () => (undefined as unknown as { at: 1 }).at })
  assert.equal(redactor.value(broken), redactedText)
  assert.equal((redactor.value(Array.from({ length: 5_000 }, (_, i) => i)) as unknown[]).length, 1_000)
  let deep: unknown = 'ada@acme.example'
  for (let i = 0; i < 50; i++) deep = { deep }
  assert.ok(!JSON.stringify(redactor.value(deep)).includes('ada@'))
  const prototype = redactor.value(JSON.parse('{"__proto__":{"polluted":true}}')) as Record<string, unknown>
  assert.equal(prototype['polluted'], undefined)
})

// Were one of them quadratic, this would not end.
test('a long hostile text is read to its end', { timeout: 60_000 }, () => {
  const hostile = [
    'a',
    'eyJ',
    'eyJ-',
    'eyJa.',
    'a@',
    'a@a.',
    'x://',
    'x://a:',
    'password',
    'password=',
    'bearer ',
    '-----BEGIN ',
    "password='",
  ]
  for (const piece of hostile) assert.ok(redactor.text(piece.repeat(1_000_000 / piece.length)).length > 0, piece)
})
