// What partywall knows of this application, here and on its command line: where a plan's tenants live, and what a new one starts with.

import { defineConfig } from 'partywall'

// biome-ignore lint/style/noDefaultExport: a tool's configuration is exported by default
export default defineConfig({
  migrations: 'migrations',
  plans: {
    free: { weight: 1 },
    team: { weight: 2, placement: 'schema' },
    business: { weight: 3, placement: 'database', features: { sso: true } },
    enterprise: { weight: 4, placement: 'server', features: { sso: true, audit: true } },
  },
  seeds: [
    {
      name: 'support-user',
      // Said again after a kill in the middle of an onboarding, so it must not mind.
      sql: ["insert into users (email, name) values ('support@documents.example', 'Support') on conflict do nothing"],
    },
  ],
})
