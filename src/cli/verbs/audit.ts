// partywall audit: the tenants' own audit logs, one file each in verbs/audit/.

import { group } from '../verb.ts'

export const audit = group({
  summary: 'Read, verify, sign and export a tenant’s log of accesses',
  details:
    'Each tenant’s log is a chain in its own schema. What was signed and kept elsewhere shows an end that was cut off, or a log that was written anew.',
  examples: [
    'partywall audit list acme --since 1d --outcome refused',
    'partywall audit verify acme',
    'partywall audit export acme --to acme.jsonl',
  ],
  verbs: {
    list: async () => (await import('./audit/list.ts')).list,
    tail: async () => (await import('./audit/tail.ts')).tail,
    verify: async () => (await import('./audit/verify.ts')).verify,
    anchor: async () => (await import('./audit/anchor.ts')).anchor,
    status: async () => (await import('./audit/status.ts')).status,
    export: async () => (await import('./audit/export.ts')).exportAudit,
    prune: async () => (await import('./audit/prune.ts')).prune,
    keys: async () => (await import('./audit/keys.ts')).keys,
  },
})
