// change-plan: the tenant is on another plan from now on. It tells what the new plan's default placement would move; it moves nothing.

import type { Json } from '../core/tenant.ts'
import { fieldsOf, type OperationDefinition } from './operation.ts'
import { isolationOfPlan, settledTenant, type TenantLife, textField } from './tenant-life.ts'

export interface ChangePlanInput {
  readonly plan: string
}

/** What the step `compare` finds. */
export interface PlanComparison {
  readonly from: string
  readonly to: string
  /** Where the tenant lives. */
  readonly isolation: string
  /** Where the new plan would put a new tenant. */
  readonly wanted: string
  /** Would a move be needed? */
  readonly isElsewhere: boolean
  readonly note: string
}

export function changePlan(life: TenantLife): OperationDefinition<ChangePlanInput> {
  return {
    kind: 'change-plan',
    givesWayTo: 'all',
    undoesRefusals: true,
    parse(input) {
      const { plan } = fieldsOf(input, ['plan'])
      return { plan: textField('plan', plan) }
    },
    steps: ({ plan }) => [
      {
        name: 'compare',
        describe: `Compares where the tenant lives with where ${plan} puts its tenants (${isolationOfPlan(life, plan)}).`,
        run: async ({ tenantId }) => {
          const tenant = await settledTenant(life, tenantId)
          const wanted = isolationOfPlan(life, plan)
          const { isolation } = tenant.placement
          const isElsewhere = wanted !== isolation
          const note = isElsewhere
            ? `${plan} puts its tenants in ${wanted}; this one lives in ${isolation} and stays there: this version does not move tenants.`
            : `The tenant lives where ${plan} puts its tenants (${wanted}).`
          return { from: tenant.plan, to: plan, isolation, wanted, isElsewhere, note } satisfies PlanComparison as unknown as Json
        },
      },
      {
        name: 'change',
        describe: `Puts the tenant on the plan ${plan}. No row is moved.`,
        run: async ({ tenantId }) => {
          await life.catalog.update(tenantId, { plan })
          life.onTenantChanged?.(tenantId)
          return undefined
        },
      },
    ],
    undo: () => [],
  }
}
