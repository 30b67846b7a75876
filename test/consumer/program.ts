// A stranger's program. scripts/check-package.mjs type-checks and runs it against the packed library.
import { InvalidTenantRefError, TenancyError } from 'partywall'

const error: TenancyError = new InvalidTenantRefError('The slug has a space in it.')
if (!(error instanceof TenancyError) || error.code !== 'PW_INVALID_TENANT_REF' || error.status !== 400) process.exit(1)
console.log(`${error.code}: ${error.publicMessage}`)
