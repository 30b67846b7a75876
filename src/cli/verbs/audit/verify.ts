// partywall audit verify: is a log what it was?

import { resolve } from 'node:path'
import { verifyExport } from '../../../audit/export-log.ts'
import { headKeysOf } from '../../../audit/log-keys.ts'
import type { AuditVerdict } from '../../../audit/verify-log.ts'
import { InvalidInputError } from '../../../errors.ts'
import { noLog } from '../../audit-entries.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { readText } from '../../key-set.ts'
import type { Output } from '../../output.ts'
import { type Terminal, verb } from '../../verb.ts'

export const verify = verb({
  summary: 'Verify a tenant’s log, by its chain and by what was signed and kept elsewhere',
  details:
    'Finds an entry that was edited, a hole, an end that was cut off, an older state that was put back, a log that was written anew. With --file it verifies an export and needs no database. Ends with 6 when it finds something.',
  args: { tenant: { about: 'its id or slug; not with --file', optional: true } },
  flags: {
    file: { kind: 'text', value: 'file', about: 'an export, with its manifest beside it' },
    key: { kind: 'list', value: 'pem', about: 'with --file: files with public keys, as partywall audit keys printed them' },
  },
  examples: ['partywall audit verify acme', 'partywall audit verify --file acme.jsonl --key audit-key.pem'],
  needs: needsFleet,
  async run({ args: { tenant: ref }, flags: { file, key }, output, terminal }) {
    if (file !== undefined) return await verifyFile(terminal, output, file, key)
    if (ref === undefined) throw new InvalidInputError('Say which tenant, or --file.')
    const { tenant, verdict } = await withFleet(terminal, async (plane) => {
      const found = await fleetTenant(plane, ref)
      return { tenant: found, verdict: await plane.fleet.audit.verify(found) }
    })
    if (verdict === undefined) throw noLog(tenant)
    output.record({ tenant: tenant.slug, ...told(verdict) })
    return verdict.isSound ? 'done' : 'found'
  },
})

async function verifyFile(terminal: Terminal, output: Output, file: string, keyFiles: readonly string[]): Promise<'done' | 'found'> {
  if (keyFiles.length === 0) throw new InvalidInputError('Give the public keys with --key: those that come with a file prove nothing.')
  const keys = headKeysOf(await Promise.all(keyFiles.map(async (path) => await readText(terminal, path))))
  const { manifest, manifestIs, isWhole, log } = await verifyExport(resolve(terminal.cwd, file), keys)
  const isSound = manifestIs === 'genuine' && isWhole && log?.isSound !== false
  output.record({
    file,
    tenant: manifest.slug,
    at: manifest.at,
    manifest: manifestIs,
    whole: isWhole ? 'yes' : 'no',
    ...(log === undefined ? { count: manifest.count } : told(log)),
  })
  return isSound ? 'done' : 'found'
}

function told(verdict: AuditVerdict): Readonly<Record<string, string | number | readonly string[]>> {
  const { isSound, entries, head, anchoredTo, findings, findingsLeftOut } = verdict
  return {
    sound: isSound ? 'yes' : 'no',
    rows: entries,
    head: String(head),
    anchoredTo: String(anchoredTo),
    ...(findings.length > 0 && { findings: findings.map(({ kind, message }) => `${kind}: ${message}`) }),
    ...(findingsLeftOut > 0 && { more: findingsLeftOut }),
  }
}
