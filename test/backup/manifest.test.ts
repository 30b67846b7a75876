import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { backupSecretName, ensureBackupKey, findBackupKey } from '../../src/backup/backup-key.ts'
import { type BackupManifest, manifestFace, manifestText, openManifest } from '../../src/backup/manifest.ts'
import { memorySecrets } from '../../src/core/memory-secret-store.ts'
import type { TenantId } from '../../src/core/tenant.ts'
import { BackupInvalidError, ConfigurationError } from '../../src/errors.ts'

const acme = '018f0000-0000-7000-8000-000000000001' as TenantId
const globex = '018f0000-0000-7000-8000-000000000002' as TenantId
const secrets = memorySecrets()

function manifestOf(tenantId: TenantId, keyId: string): BackupManifest {
  return {
    format: 1,
    id: randomUUID(),
    tenantId,
    createdAt: '2026-01-02T03:04:05.000Z',
    finishedAt: '2026-01-02T03:04:06.000Z',
    kind: 'manual',
    partywall: '0.1.0',
    postgres: '18.1',
    version: undefined,
    snapshot: { at: '2026-01-02T03:04:05.678Z', lsn: '0/16B3748' },
    compression: 'zstd',
    encryption: 'aes-256-gcm',
    keyId,
    tables: [
      {
        name: 'notes',
        columns: ['tenant_id', 'id', 'body'],
        tenantColumn: 'tenant_id',
        tenantType: 'uuid',
        rows: 3,
        bytes: 40,
        object: '0001',
        storedBytes: 90,
        sha256: 'aa',
        digest: 'd1',
      },
    ],
    tenant: {
      slug: 'acme',
      name: 'Acme Ltd.',
      plan: 'team',
      region: 'default',
      isolation: 'pooled',
      keys: {},
      features: { sso: true },
      settings: { colour: 'teal' },
    },
  }
}

describe('a manifest', () => {
  test('opens to what was written, with the key of its objects', async () => {
    const key = await ensureBackupKey(secrets, acme)
    const manifest = manifestOf(acme, key.id)
    const dataKey = randomBytes(32)
    const opened = openManifest(manifestText({ manifest, dataKey }, key), manifest, key)
    assert.deepEqual(JSON.parse(JSON.stringify(opened.manifest)), JSON.parse(JSON.stringify(manifest)))
    assert.ok(opened.dataKey.equals(dataKey))
  })

  test('shows tables and sizes without a key, and nothing of the tenant but its id', async () => {
    const key = await ensureBackupKey(secrets, acme)
    const manifest = manifestOf(acme, key.id)
    const text = manifestText({ manifest, dataKey: randomBytes(32) }, key)
    assert.equal(manifestFace(text).tables[0]?.rows, 3)
    for (const secret of ['Acme', 'teal', 'sso', '"d1"']) assert.ok(!text.includes(secret), secret)
  })

  test('is refused when anything in it was changed', async () => {
    const key = await ensureBackupKey(secrets, acme)
    const manifest = manifestOf(acme, key.id)
    const text = manifestText({ manifest, dataKey: randomBytes(32) }, key)
    const changes: readonly (readonly [string, string])[] = [
      ['"rows": 3', '"rows": 2'],
      ['"name": "notes"', '"name": "users"'],
      ['"sha256": "aa"', '"sha256": "ab"'],
      ['2026-01-02T03:04:05.678Z', '2027-01-02T03:04:05.678Z'],
      ['"kind": "manual"', '"kind": "safety"'],
    ]
    for (const [from, to] of changes) {
      assert.ok(text.includes(from))
      assert.throws(() => openManifest(text.replace(from, to), manifest, key), BackupInvalidError, from)
    }
    for (const broken of ['', '{', 'null', '[]', '{}', text.slice(0, -30)]) {
      assert.throws(() => openManifest(broken, manifest, key), BackupInvalidError)
    }
  })

  test('is refused in the place of another backup, of another tenant, and with another key', async () => {
    const key = await ensureBackupKey(secrets, acme)
    const other = await ensureBackupKey(secrets, globex)
    const manifest = manifestOf(acme, key.id)
    const text = manifestText({ manifest, dataKey: randomBytes(32) }, key)
    assert.throws(() => openManifest(text, { tenantId: acme, id: randomUUID() }, key), BackupInvalidError)
    assert.throws(() => openManifest(text, { tenantId: globex, id: manifest.id }, key), BackupInvalidError)
    assert.throws(() => openManifest(text, manifest, other), BackupInvalidError)
    // Whoever forges the key's id, too, has not forged the seal.
    assert.throws(() => openManifest(text.replace(key.id, other.id), manifest, other), BackupInvalidError)
  })

  test('of a newer format says so', async () => {
    const key = await ensureBackupKey(secrets, acme)
    const manifest = manifestOf(acme, key.id)
    const text = manifestText({ manifest, dataKey: randomBytes(32) }, key).replace('"format": 1', '"format": 2')
    assert.throws(() => openManifest(text, manifest, key), /format 2, and this partywall reads 1/)
  })
})

describe('the backup key', () => {
  test('is made once, and is each tenant’s own', async () => {
    const one = await ensureBackupKey(secrets, acme)
    assert.deepEqual(await ensureBackupKey(secrets, acme), one)
    assert.notEqual((await ensureBackupKey(secrets, globex)).id, one.id)
  })

  test('is gone with its secret, and what is no key is never replaced', async () => {
    const own = memorySecrets()
    await ensureBackupKey(own, acme)
    await own.delete(backupSecretName(acme))
    assert.equal(await findBackupKey(own, acme), undefined)
    await own.put(backupSecretName(acme), 'not a key')
    await assert.rejects(ensureBackupKey(own, acme), ConfigurationError)
    assert.equal(await own.get(backupSecretName(acme)), 'not a key')
  })
})
