import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseTenantId, parseTenantRef, parseTenantSlug, slugLengthMax } from '../../src/core/tenant.ts'
import { parseTenantDomain } from '../../src/core/tenant-domain.ts'
import { InvalidTenantRefError, type TenancyError } from '../../src/errors.ts'

const id = '0190a0a0-1234-7abc-8def-00000000000a'

test('an id in its canonical form is an id, a slug is a slug', () => {
  assert.equal(parseTenantId(id), id)
  assert.deepEqual(parseTenantRef(id), { kind: 'id', id })
  for (const slug of ['a', 'acme', 'acme-2', 'a1-b2-c3', 'x'.repeat(slugLengthMax)]) {
    assert.equal(parseTenantSlug(slug), slug)
    assert.deepEqual(parseTenantRef(slug), { kind: 'slug', slug })
  }
})

test('another spelling of the same id is refused, not folded', () => {
  const aliases = [
    id.toUpperCase(),
    id.replace('0190a', '0190A'),
    id.replace('abc', 'Abc'),
    id.replace('def', 'deF'),
    `{${id}}`,
    id.replaceAll('-', ''),
    ` ${id}`,
    `${id} `,
    `${id}\n`,
    `urn:uuid:${id}`,
    id.replace('-', '‐'),
    id.replace('0', '０'),
    `${id}\0`,
    id.slice(0, -1),
    `${id}0`,
  ]
  for (const alias of aliases) {
    assert.throws(() => parseTenantId(alias), InvalidTenantRefError, JSON.stringify(alias))
    assert.throws(() => parseTenantRef(alias), InvalidTenantRefError, JSON.stringify(alias))
  }
})

test('what is not a text is no reference', () => {
  for (const value of [
    undefined,
    null,
    0,
    1n,
    true,
    {},
    [],
    ['acme'],
    [id],
    Symbol('acme'),
    { toString: () => 'acme' },
    new String('acme'),
  ]) {
    for (const parse of [parseTenantId, parseTenantSlug, parseTenantRef, parseTenantDomain]) {
      assert.throws(() => parse(value), InvalidTenantRefError)
    }
  }
})

const hostile: [string, readonly string[]][] = [
  ['longer than a derived identifier may be', ['x'.repeat(slugLengthMax + 1), 'x'.repeat(63), 'x'.repeat(10_000)]],
  [
    'reserved',
    ['admin', 'api', 'www', 'public', 'postgres', 'null', 'undefined', 'constructor', 'prototype', 'partywall', 'localhost', 'me'],
  ],
  ['reserved by its beginning', ['pg-catalog', 'pg-toast', 'xn--acme']],
  ['of another case', ['Acme', 'ACME', 'aCme']],
  ['empty or blank', ['', ' ', '\t', '\n', '\0', '\u00a0', '\u200b']],
  ['with blanks around it', [' acme', 'acme ', 'acme\n', '\nacme', 'acme\r', 'acme\u2028']],
  ['beginning or ending wrongly', ['1acme', '-acme', 'acme-', 'a--b', '_acme', '0', '42', '01']],
  ['with the characters of SQL', ["acme'", 'acme"', 'acme;drop table t', 'acme--', 'acme/*', '$user', 'acme$1', 'a,b', 'acme\\']],
  [
    'with the characters of paths, hosts and patterns',
    ['acme/..', '../acme', 'acme.evil', 'acme:80', 'acme*', 'a?b', 'a[b]', '{acme}', '%61cme', 'acme#', 'acme@b', 'a_b'],
  ],
  [
    'of another alphabet',
    [
      'ａｃｍｅ',
      'ⓐcme',
      'аcme',
      'acmé',
      'acme\u0301',
      '\u212Aacme',
      'aſ',
      'straße',
      'İ',
      'ac\u00adme',
      'ac\u200bme',
      'acme。app',
      'аdmin',
      '😀',
    ],
  ],
  ['that reaches a prototype', ['__proto__', 'constructor', 'prototype', '__defineGetter__', 'hasOwnProperty', 'toString']],
]
for (const [what, texts] of hostile) {
  test(`a slug that is ${what} is refused`.replace('is with', 'comes with').replace('is that reaches', 'reaches'), () => {
    for (const text of texts) {
      assert.throws(() => parseTenantSlug(text), InvalidTenantRefError, JSON.stringify(text))
      assert.throws(() => parseTenantRef(text), InvalidTenantRefError, JSON.stringify(text))
    }
  })
}

test('whatever is accepted is canonical: one spelling, ASCII, fit for a host label', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'aA1-_. xkéK') })), (text) => {
      let slug: string
      try {
        slug = parseTenantSlug(text)
      } catch (error) {
        assert.ok(error instanceof InvalidTenantRefError)
        return
      }
      assert.equal(slug, text)
      assert.equal(slug.normalize('NFKC').toLowerCase().trim(), text)
      assert.match(slug, /^[a-z][a-z0-9-]{0,47}$/)
      assert.equal(new URL(`http://${slug}.example`).hostname, `${slug}.example`)
    }),
    { numRuns: 2_000 },
  )
})

test('a refusal is short, escaped, and says nothing to outsiders', () => {
  assert.throws(
    () => parseTenantRef(`\u001b[31m\n${'x'.repeat(1_000_000)}`),
    (error: TenancyError) => {
      assert.ok(error.message.length < 300)
      assert.doesNotMatch(error.message, /\p{Cc}/u)
      assert.equal(error.status, 400)
      assert.equal(error.publicMessage, 'The tenant reference is not valid.')
      return true
    },
  )
})

test('parsing takes linear time', () => {
  for (const text of [`a${'-a'.repeat(200_000)}!`, 'a-'.repeat(200_000), '0'.repeat(1_000_000), `${'a.'.repeat(200_000)}!`]) {
    assert.throws(() => parseTenantRef(text), InvalidTenantRefError)
    assert.throws(() => parseTenantDomain(text), InvalidTenantRefError)
  }
  const labels = `${'a-'.repeat(30)}a.`.repeat(4)
  assert.throws(() => parseTenantDomain(`${labels}!`), InvalidTenantRefError)
})

test('a domain is a lower-case host name and nothing else', () => {
  for (const domain of ['acme.example', 'docs.acme.co.uk', 'xn--bcher-kva.example', 'a-b.c1.de'])
    assert.equal(parseTenantDomain(domain), domain)
  const refused = [
    'acme',
    'Acme.example',
    'acme.example.',
    '.acme.example',
    'acme..example',
    'acme.example:443',
    'http://acme.example',
    'acme.example/',
    '-a.example',
    'a-.example',
  ]
  const odd = [
    'a_b.example',
    '127.0.0.1',
    '1.2',
    '[::1]',
    'ａcme.example',
    'acme。example',
    'acme.example\0',
    'a b.example',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(127)}aa`,
    'user@acme.example',
    '*.example',
  ]
  for (const text of [...refused, ...odd]) assert.throws(() => parseTenantDomain(text), InvalidTenantRefError, text)
})
