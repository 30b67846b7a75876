import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { parseTenantId } from '../../src/core/tenant.ts'
import { ConfigurationError, InvalidInputError, SignedUrlRefusedError } from '../../src/errors.ts'
import { fileKey } from '../../src/resources/files/file-key.ts'
import { type SignedFile, SignedFileUrls } from '../../src/resources/files/signed-file-urls.ts'
import { ManualClock } from '../support/manual-clock.ts'

const keys = [randomBytes(32), randomBytes(32)] as const
const baseUrl = 'https://files.example.com/f'
const claims = (clock: ManualClock, over: Partial<SignedFile> = {}): SignedFile => ({
  tenantId: parseTenantId('0190a0a0-0000-7000-8000-000000000001'),
  epoch: 7,
  key: fileKey('a', 'b.pdf'),
  method: 'GET',
  expiresAt: new Date(clock.now() + 10_000),
  contentType: undefined,
  contentLengthMax: undefined,
  ...over,
})

function refused(urls: SignedFileUrls, url: string, method = 'GET') {
  return assert.rejects(urls.verify(url, method), SignedUrlRefusedError, url)
}

test('what was signed is read back: whole address or target, for its own method alone', async () => {
  const clock = new ManualClock()
  const urls = new SignedFileUrls({ keys: [keys[0]], baseUrl, clock })
  const put = claims(clock, { method: 'PUT', contentType: 'text/plain', contentLengthMax: 9 })
  for (const each of [claims(clock), put]) {
    const url = await urls.url(each)
    assert.ok(url.startsWith(`${baseUrl}/`))
    assert.deepEqual(await urls.verify(url, each.method), each)
    assert.deepEqual(await urls.verify(new URL(url).pathname, each.method), each)
    await refused(urls, url, each.method === 'GET' ? 'PUT' : 'GET')
    await refused(urls, url, each.method.toLowerCase())
  }
  assert.ok(await urls.verify(await urls.url(claims(clock)), 'HEAD'))
  await refused(urls, await urls.url(put), 'HEAD')
})

test('it ends with its time, to the millisecond', async () => {
  const clock = new ManualClock()
  const urls = new SignedFileUrls({ keys: [keys[0]], baseUrl, clock })
  const url = await urls.url(claims(clock, { expiresAt: new Date(clock.now() + 10_250) }))
  clock.advance(10_249)
  await urls.verify(url, 'GET')
  clock.advance(1)
  await refused(urls, url)
  clock.advance(86_400_000)
  await refused(urls, url)
})

test('a change of any character, another key, and every trick with its algorithm are refused', async () => {
  const clock = new ManualClock()
  const urls = new SignedFileUrls({ keys: [keys[0]], baseUrl, clock })
  const url = await urls.url(claims(clock))
  const text = url.slice(baseUrl.length + 1)
  const [head = '', body = '', signature = ''] = text.split('.')
  for (let at = 0; at < text.length; at += 7) {
    const other = text[at] === 'A' ? 'B' : 'A'
    // The last character of base64url has bits that mean nothing.
    if (at !== text.length - 1) await refused(urls, `${baseUrl}/${text.slice(0, at)}${other}${text.slice(at + 1)}`)
  }
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const payload = JSON.parse(String(Buffer.from(body, 'base64url'))) as Record<string, unknown>
  const signed = (header: object, content: object, key: Buffer): string => {
    const input = `${encoded(header)}.${encoded(content)}`
    return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
  }
  const forgeries = {
    'another tenant’s id behind the old signature': `${head}.${encoded({ ...payload, sub: '0190a0a0-0000-7000-8000-000000000002' })}.${signature}`,
    'another key': signed({ alg: 'HS256' }, payload, randomBytes(32)),
    'no algorithm': `${encoded({ alg: 'none' })}.${body}.`,
    'no algorithm, and a signature': `${encoded({ alg: 'none' })}.${body}.${signature}`,
    'an algorithm that is not ours': signed({ alg: 'HS512' }, payload, keys[0]),
    'a token of ours for something else': signed({ alg: 'HS256' }, { ...payload, aud: 'partywall:upload' }, keys[0]),
    'no audience': signed({ alg: 'HS256' }, { ...payload, aud: undefined }, keys[0]),
    'no end': signed({ alg: 'HS256' }, { ...payload, exp: undefined }, keys[0]),
    'no tenant': signed({ alg: 'HS256' }, { ...payload, sub: undefined }, keys[0]),
    'a tenant that is none': signed({ alg: 'HS256' }, { ...payload, sub: '../x' }, keys[0]),
    'a key that is none': signed({ alg: 'HS256' }, { ...payload, key: '../../etc/passwd' }, keys[0]),
    nothing: '',
    'two parts': `${head}.${body}`,
    'five parts, as of something encrypted': `${text}.a.b`,
    'too long': `${'a'.repeat(5_000)}.a.a`,
  }
  for (const [name, forged] of Object.entries(forgeries)) {
    await assert.rejects(urls.verify(`${baseUrl}/${forged}`, 'GET'), SignedUrlRefusedError, name)
  }
  for (const wrong of [`${url}/`, `${url}/..`, `${url}?a=b`, `${url}#a`, `${url}%00`, ` ${url} `]) await refused(urls, wrong)
  await urls.verify(`${baseUrl}/${signed({ alg: 'HS256' }, payload, keys[0])}`, 'GET')
})

test('a secret is changed while addresses are about: the new one signs, both verify, and then the old one is gone', async () => {
  const clock = new ManualClock()
  const before = new SignedFileUrls({ keys: [keys[0]], baseUrl, clock })
  const both = new SignedFileUrls({ keys: [keys[1], keys[0]], baseUrl, clock })
  const afterwards = new SignedFileUrls({ keys: [keys[1]], baseUrl, clock })
  const [old, fresh] = [await before.url(claims(clock)), await both.url(claims(clock))]
  for (const url of [old, fresh]) await both.verify(url, 'GET')
  await afterwards.verify(fresh, 'GET')
  await refused(afterwards, old)
  await refused(before, fresh)
})

test('secrets that are short, addresses in the clear and times out of range are refused', () => {
  for (const wrong of [
    { keys: [randomBytes(31)] as [Buffer] },
    { keys: [] as unknown as [Buffer] },
    { keys: ['x'.repeat(40)] as unknown as [Buffer] },
    { baseUrl: 'http://files.example.com' },
    { baseUrl: 'files.example.com' },
    { baseUrl: 'https://files.example.com/?a' },
    { baseUrl: 'javascript:alert(1)' },
  ]) {
    assert.throws(() => new SignedFileUrls({ keys: [keys[0]], baseUrl, ...wrong }), ConfigurationError)
  }
  const urls = new SignedFileUrls({ keys: [keys[0]], baseUrl: 'http://localhost:3000/f' })
  for (const ms of [0, 999, 60_001, Number.NaN, Number.POSITIVE_INFINITY]) assert.throws(() => urls.expiry(ms, 60_000), InvalidInputError)
})
