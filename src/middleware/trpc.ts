// For tRPC. A request is admitted by the adapter of what serves it (Express, Fastify, Hono, or the web's Request and Response), before
// tRPC reads it: a batch is one request of one tenant. Here is what procedures need beside that: that they run for nobody else, and
// errors that tell a code and no more.

import { initTRPC, type TRPC_ERROR_CODE_KEY, TRPCError, type TRPCMiddlewareBuilder } from '@trpc/server'
import { TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc'
import type { Tenant } from '../core/tenant.ts'
import type { TenantScope } from '../core/tenant-context.ts'
import { InternalError } from '../errors.ts'
import { tenancyErrorOf } from './problem.ts'

export interface TrpcTenancyOptions {
  readonly tenancy: { readonly scope: TenantScope }
}

/** A procedure's context has this beside the application's own. */
export interface TenancyContext {
  readonly tenant: Tenant
}

interface Shape {
  readonly message: string
  readonly code: number
  readonly data: { readonly code: TRPC_ERROR_CODE_KEY; readonly httpStatus: number; readonly path?: string; readonly stack?: string }
}

export interface TrpcTenancy {
  /** For `t.procedure.use()`. A call that no adapter admitted is refused. */
  readonly admitted: TRPCMiddlewareBuilder<object, object, TenancyContext, unknown>
  /** For `initTRPC.create({ errorFormatter })`: our codes in `data.partywall`; and of what nobody knows, no text. */
  readonly errorFormatter: (failure: { readonly shape: Shape; readonly error: TRPCError }) => Shape & {
    readonly data: { readonly partywall: string | undefined }
  }
}

/**
 * @example
 * ```ts
 * const { admitted, errorFormatter } = trpcTenancy({ tenancy })
 * const t = initTRPC.create({ errorFormatter })
 * const tenantProcedure = t.procedure.use(admitted)
 * const router = t.router({ documents: tenantProcedure.query(({ ctx }) => list(ctx.tenant)) })
 *
 * const { handler } = webTenancy({ tenancy, identity: oidc({ … }) })
 * export const POST = handler((request) => fetchRequestHandler({ endpoint: '/trpc', req: request, router }))
 * ```
 */
export function trpcTenancy({ tenancy }: TrpcTenancyOptions): TrpcTenancy {
  return {
    admitted: initTRPC.create().middleware(async ({ next }) => {
      const context = tenancy.scope.tryCurrent()
      if (context === undefined) throw new TRPCError({ code: 'UNAUTHORIZED', message: 'The request was admitted for no tenant.' })
      return await next({ ctx: { tenant: context.tenant } })
    }),
    errorFormatter: ({ shape, error }) => {
      const known = tenancyErrorOf(error.cause)
      // Its text is the application's own, if it chose to throw it; a cause is from elsewhere.
      if (known === undefined && error.cause === undefined && error.code !== 'INTERNAL_SERVER_ERROR')
        return told(shape, shape.message, undefined)
      if (known === undefined && error.code !== 'INTERNAL_SERVER_ERROR') return told(shape, 'The call is not valid.', undefined)
      const { publicMessage, code, status } = known ?? new InternalError('An error that partywall does not know.', { cause: error })
      const key = codes[status] ?? 'INTERNAL_SERVER_ERROR'
      const own = { ...shape, code: TRPC_ERROR_CODES_BY_KEY[key], data: { ...shape.data, code: key, httpStatus: status } }
      return told(own, publicMessage, code)
    },
  }
}

const codes: Readonly<Record<number, TRPC_ERROR_CODE_KEY>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'UNPROCESSABLE_CONTENT',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
  504: 'GATEWAY_TIMEOUT',
}

/** Never with the stack, which tRPC adds where it believes to be in development. */
function told(shape: Shape, message: string, partywall: string | undefined) {
  const { stack: _, ...data } = shape.data
  return { ...shape, message, data: { ...data, partywall } }
}
