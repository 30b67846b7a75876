import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customDomain, header, path, subdomain } from '../../src/core/hints.ts'
import { ConfigurationError, InvalidHintError } from '../../src/errors.ts'
import { bob, request } from '../support/door-cast.ts'

const bySlug = (slug: string) => ({ kind: 'slug', slug })
const at = (host: string) => request({ headers: [['host', host]] })

test('a subdomain names its tenant, with or without a port, in either case', () => {
  const hint = subdomain('app.example.com', { except: ['www'] })
  for (const host of ['bob.app.example.com', 'bob.app.example.com:8443', 'BOB.App.Example.com']) {
    assert.deepEqual(hint(at(host)), { source: 'host', lookup: bySlug('bob') }, host)
  }
})

test('hosts elsewhere, the suffix itself and labels of the operator are no hint', () => {
  const hint = subdomain('app.example.com', { except: ['www'] })
  for (const host of [
    'app.example.com',
    'www.app.example.com',
    'localhost:3000',
    '127.0.0.1',
    '[::1]:80',
    'evil.com',
    'bobapp.example.com',
  ]) {
    assert.equal(hint(at(host)), undefined, host)
  }
  assert.equal(hint(request()), undefined)
})

test('a host that a URL parser would bend into a tenant is refused', () => {
  const hint = subdomain('app.example.com')
  const hostile = [
    'ａｃｍｅ.app.example.com',
    'ⓑob.app.example.com',
    'bo\u00adb.app.example.com',
    'bob\u200b.app.example.com',
    '\u212Aate.app.example.com',
    '%62ob.app.example.com',
    'bob.app.example.com.',
    'bob。app.example.com',
    'evil.com#.app.example.com',
    'evil.com/.app.example.com',
    'evil@bob.app.example.com',
    'bob.app.example.com:',
    'bob.app.example.com:99999999',
    'bob..app.example.com',
    '-bob.app.example.com',
    'carol.bob.app.example.com',
    'bob_.app.example.com',
    'xn--acm-epa.app.example.com',
    'admin.app.example.com',
    ' bob.app.example.com',
    'bob.app.example.com, carol.app.example.com',
    `${'b'.repeat(300)}.app.example.com`,
    '',
  ]
  for (const host of hostile) assert.throws(() => hint(at(host)), InvalidHintError, JSON.stringify(host))
})

test('two hosts are refused, even when they are equal', () => {
  const hint = subdomain('app.example.com')
  for (const second of ['bob.app.example.com', 'carol.app.example.com']) {
    const two = request({
      headers: [
        ['host', 'bob.app.example.com'],
        ['host', second],
      ],
    })
    assert.throws(() => hint(two), InvalidHintError)
  }
})

test('X-Forwarded-Host counts from a trusted proxy alone, and only once', () => {
  const hint = subdomain('app.example.com')
  const forwarded = (proxy: boolean, ...hosts: string[]) =>
    request({ proxy, headers: [['host', 'carol.app.example.com'], ...hosts.map((host) => ['x-forwarded-host', host] as const)] })
  assert.deepEqual(hint(forwarded(false, 'bob.app.example.com'))?.lookup, bySlug('carol'))
  assert.deepEqual(hint(forwarded(true, 'bob.app.example.com'))?.lookup, bySlug('bob'))
  assert.throws(() => hint(forwarded(true, 'bob.app.example.com, carol.app.example.com')), InvalidHintError)
  assert.throws(() => hint(forwarded(true, 'bob.app.example.com', 'bob.app.example.com')), InvalidHintError)
})

test('a custom domain is every host that is not ours and not an address', () => {
  const hint = customDomain({ own: ['example.com'] })
  assert.deepEqual(hint(at('Docs.Bob.org:443')), { source: 'host', lookup: { kind: 'domain', domain: 'docs.bob.org' } })
  for (const host of ['example.com', 'bob.app.example.com', 'localhost', '10.0.0.1:80', '[::1]'])
    assert.equal(hint(at(host)), undefined, host)
  for (const host of ['docs.bob.org.', 'döcs.bob.org', 'docs.bob.org/x']) assert.throws(() => hint(at(host)), InvalidHintError, host)
})

test('a header names a tenant by id or slug, once and in canonical form', () => {
  const hint = header()
  const sent = (...values: string[]) => request({ headers: values.map((value) => ['x-tenant-id', value] as const) })
  assert.deepEqual(hint(sent('bob'))?.lookup, bySlug('bob'))
  assert.deepEqual(hint(sent(bob.id))?.lookup, { kind: 'id', id: bob.id })
  assert.equal(hint(sent()), undefined)
  const hostile = [
    '',
    'BOB',
    ' bob',
    'bob ',
    'bob, carol',
    'ａｃｍｅ',
    `{${bob.id}}`,
    bob.id.toUpperCase(),
    bob.id.replaceAll('-', ''),
    '__proto__',
    "b'or 1=1",
    'b'.repeat(10_000),
  ]
  for (const value of hostile) assert.throws(() => hint(sent(value)), InvalidHintError, JSON.stringify(value.slice(0, 50)))
  assert.throws(() => hint(sent('bob', 'bob')), InvalidHintError)
})

test('a path names its tenant in its plain form', () => {
  const hint = path('/t/:tenant')
  const asked = (target: string) => hint(request({ target }))?.lookup
  for (const target of ['/t/bob', '/t/bob/', '/t/bob/documents?t=/t/carol', '/t/bob/files/a%20b', '/t/bob?x=1'])
    assert.deepEqual(asked(target), bySlug('bob'), target)
  for (const target of ['/', '/documents', '/tt/bob', '/x/t/bob', '/search/%20x', '/?/t/bob'])
    assert.equal(asked(target), undefined, target)
})

test('a path that some router would read as another tenant is refused', () => {
  const hint = path('/t/:tenant')
  const hostile = [
    '/t/bob/../carol',
    '/t/bob/x/../../carol',
    '/t/bob/%2e%2e/carol',
    '/t/bob/..%2fcarol',
    '/t/bob/%252e%252e/carol',
    '/t/bob\\..\\carol',
    '/x/../t/bob',
    '//t/bob',
    '/t//bob',
    '/./t/bob',
    '/%74/bob',
    '/t/%62ob',
    '/t/b%6fb',
    '/t%2fbob',
    '/T/bob',
    '/t/BOB',
    '/t/bob;x',
    '/t/bob#x',
    '/t/ｂob',
    '/t/',
    'http://evil.example/t/bob',
    '*',
  ]
  for (const target of hostile) assert.throws(() => hint(request({ target })), InvalidHintError, target)
})

test('hints that could never be right are refused when they are configured', () => {
  for (const make of [
    () => subdomain('App.Example.com'),
    () => subdomain('example.com.'),
    () => path('/t/acme'),
    () => path('/t/*/:tenant'),
    () => header('x tenant'),
  ]) {
    assert.throws(make, ConfigurationError)
  }
})
