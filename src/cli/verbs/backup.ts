// partywall backup: copies of single tenants, one file each in verbs/backup/.

import { group } from '../verb.ts'

export const backup = group({
  summary: 'Back tenants up; list, verify, compare, merge or prune what was made',
  details:
    'A backup is its id, or <tenant>/<id>, or <tenant>/latest. Where backups are kept, and how often and how long, says backups in partywall.config.ts; else they are files in PARTYWALL_BACKUPS_DIR.',
  examples: ['partywall backup create acme', 'partywall backup verify acme/latest', 'partywall backup run-due --json'],
  verbs: {
    create: async () => (await import('./backup/create.ts')).create,
    list: async () => (await import('./backup/list.ts')).list,
    verify: async () => (await import('./backup/verify.ts')).verify,
    diff: async () => (await import('./backup/diff.ts')).diff,
    merge: async () => (await import('./backup/merge.ts')).merge,
    swap: async () => (await import('./backup/swap.ts')).swap,
    delete: async () => (await import('./backup/delete.ts')).remove,
    prune: async () => (await import('./backup/prune.ts')).prune,
    'run-due': async () => (await import('./backup/run-due.ts')).runDue,
  },
})
