// Every verb of `partywall`. Loaded when it is called: `token` must not wait for what `dev` needs.

import { group } from './verb.ts'

/** What stands behind `partywall`. */
export const allVerbs = group({
  summary: 'Tenant isolation on PostgreSQL',
  examples: ['partywall init', 'partywall tenant onboard acme --plan team', 'partywall help tenant suspend'],
  verbs: {
    dev: async () => (await import('./verbs/dev.ts')).dev,
    init: async () => (await import('./verbs/init.ts')).init,
    token: async () => (await import('./verbs/token.ts')).token,
    doctor: async () => (await import('./verbs/doctor.ts')).doctor,
    migrate: async () => (await import('./verbs/migrate.ts')).migrate,
    tenant: async () => (await import('./verbs/tenant.ts')).tenant,
    export: async () => (await import('./verbs/export.ts')).exportVerb,
    import: async () => (await import('./verbs/import.ts')).importVerb,
    operation: async () => (await import('./verbs/operation.ts')).operation,
    backup: async () => (await import('./verbs/backup.ts')).backup,
    restore: async () => (await import('./verbs/restore.ts')).restore,
    move: async () => (await import('./verbs/move.ts')).move,
    server: async () => (await import('./verbs/server.ts')).server,
    database: async () => (await import('./verbs/database.ts')).database,
    stock: async () => (await import('./verbs/stock.ts')).stock,
    residency: async () => (await import('./verbs/residency.ts')).residency,
    certificate: async () => (await import('./verbs/certificate.ts')).certificate,
    'verify-certificate': async () => (await import('./verbs/verify-certificate.ts')).verifyCertificateVerb,
    evidence: async () => (await import('./verbs/evidence.ts')).evidence,
    'verify-evidence': async () => (await import('./verbs/verify-evidence.ts')).verifyEvidenceVerb,
    audit: async () => (await import('./verbs/audit.ts')).audit,
    apikey: async () => (await import('./verbs/apikey.ts')).apikey,
    kit: async () => (await import('./verbs/kit.ts')).kit,
    staff: async () => (await import('./verbs/staff.ts')).staff,
    'break-glass': async () => (await import('./verbs/break-glass.ts')).breakGlass,
    completions: async () => (await import('./verbs/completions.ts')).completions,
  },
})
