# syntax=docker/dockerfile:1

# What the service needs to run. The whole image of Node has the compiler for better-sqlite3, where
# there is no ready-made build of it.
FROM node:20-bookworm AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev

# The compiler needs no native module, so none is made.
FROM dependencies AS build
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
# The service can write here alone; its code belongs to root.
RUN mkdir data && chown node data
COPY package.json LICENSE ./
COPY schemas ./schemas
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist/src ./dist/src
USER node
# Where HOST is not set, it listens on the loopback address of its network namespace: see
# docker-compose.yml.
EXPOSE 3000
# Without curl, which the slim image has not. Until the first start has folded the system workspace,
# failures do not count.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s \
  CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/sys/healthcheck`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# As `npm start`, but without npm and a shell in between, which would keep SIGTERM to themselves.
CMD ["node", "--enable-source-maps", "--v8-pool-size=1", "--max-semi-space-size=64", "dist/src/main.js"]
