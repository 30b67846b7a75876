import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseTenantId, type TenantId } from '../../src/core/tenant.ts'
import { InvalidInputError, InvalidTenantRefError } from '../../src/errors.ts'
import { checkedObjectKey } from '../../src/objects/object-store.ts'
import { checkedFilePrefix, fileKey, parseFileKey } from '../../src/resources/files/file-key.ts'
import { newObjectId, objectIdOf, objectKey, tenantPrefix } from '../../src/resources/files/object-key.ts'

test('a key has one spelling, and what is written down is read back', () => {
  assert.equal(fileKey('invoices', '0190', 'invoice.pdf'), 'invoices/0190/invoice.pdf')
  assert.equal(parseFileKey('invoices/0190/invoice.pdf'), fileKey('invoices', '0190', 'invoice.pdf'))
  assert.notEqual(fileKey('a', 'B'), fileKey('a', 'b'))
  assert.equal(checkedFilePrefix('invoices/01'), 'invoices/01')
})

test('no segment can be a way up, a way out, hidden, empty, encoded, or a look-alike', () => {
  for (const segment of [
    ...['', '.', '..', '...', '.hidden', '..a', '-a', '_a', ' a', 'a ', 'a b', 'a/b', '/a', 'a/', '\\', 'a\\..\\b', 'C:', 'a:b'],
    ...['%2e%2e', '%2F', '%252e', 'a%00', 'a\0', 'a\n', 'a\r\nb', 'a\tb', '~', '~root', '*', '?', 'a*', '$(x)', "a'b", 'a"b', 'a;b'],
    // One picture, several spellings: composed and decomposed, full width, ligatures, invisible, other scripts, half a pair.
    ...['\u00e9', 'e\u0301', '\uff0e\uff0e', '\u2024\u2024', '\u2215', '\uff0f', 'ﬁle', 'a\u200b', 'а', '\ud800', '\u202ea'],
    'x'.repeat(129),
  ]) {
    assert.throws(() => fileKey(segment), InvalidInputError, JSON.stringify(segment))
    assert.throws(() => fileKey('a', segment, 'b'), InvalidInputError, JSON.stringify(segment))
  }
  assert.throws(() => fileKey(), InvalidInputError)
  assert.throws(() => fileKey(...Array.from({ length: 9 }, () => 'a')), InvalidInputError)
  for (const other of [undefined, null, 7, {}, ['a']] as unknown as string[]) {
    assert.throws(() => fileKey(other), InvalidInputError)
    assert.throws(() => parseFileKey(other), InvalidInputError)
    assert.throws(() => checkedFilePrefix(other), InvalidInputError)
  }
  for (const prefix of ['/', '../', 'a//', 'a/../', '%', '.', 'a/.'])
    assert.throws(() => checkedFilePrefix(prefix), InvalidInputError, prefix)
})

test('no two lists of segments give one key, and none becomes another by normalisation', () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)
  const segments = fc.array(segment, { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(segments, segments, (one, other) => {
      const key = fileKey(...one)
      assert.equal(key === fileKey(...other), JSON.stringify(one) === JSON.stringify(other))
      assert.equal(new URL(key, 'https://host/x/').pathname, `/x/${key}`)
      assert.equal(key.normalize('NFKC'), key)
    }),
  )
})

test('no tenant’s prefix contains another’s, nor anything of the tenant, and it is where the store may have keys', () => {
  const ids = Array.from({ length: 500 }, (_, n) => `0190a0a0-0000-7000-8000-${String(n).padStart(12, '0')}` as TenantId)
  const prefixes = ids.map(tenantPrefix)
  assert.equal(new Set(prefixes).size, ids.length)
  for (const prefix of prefixes) {
    assert.match(prefix, /^files\/[0-9a-f]{32}\/$/)
    assert.equal(prefixes.filter((other) => other.startsWith(prefix)).length, 1)
  }
  const [bob] = ids as [TenantId]
  const object = newObjectId()
  assert.equal(checkedObjectKey(objectKey(bob, object)), objectKey(bob, object))
  assert.equal(objectIdOf(objectKey(bob, object)), object)
  assert.ok(!objectKey(bob, object).includes(bob))
  // Whatever is no id has no prefix: a slug, another spelling of the id, a path.
  for (const other of ['acme', 'acme-2', '..', bob.toUpperCase(), `${bob}/..`, ''] as TenantId[]) {
    assert.throws(() => tenantPrefix(other), InvalidTenantRefError)
  }
  assert.notEqual(tenantPrefix(parseTenantId(bob)), tenantPrefix(ids[1] as TenantId))
})
