import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import sonarjs from 'eslint-plugin-sonarjs';
import tseslint from 'typescript-eslint';

/** A rule that is switched off stands here with its reason, so that no file needs to silence it. */
export default defineConfig(
  { ignores: ['dist/', 'coverage/', 'data/', 'node_modules/'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  sonarjs.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      curly: 'error',
      eqeqeq: 'error',
      // A switch over a closed union is one decision, however many members the union has.
      complexity: ['error', { max: 15, variant: 'modified' }],
      'max-depth': ['error', 4],
      'max-params': ['error', 5],
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // Stands in for sonarjs/no-alphabetical-sort: text sorts by code point here, which is the
      // order of the filter language; only a sort of something else by its text is a mistake.
      '@typescript-eslint/require-array-sort-compare': ['error', { ignoreStringArrays: true }],
      'sonarjs/no-alphabetical-sort': 'off',
      // A number prints as it reads.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // An index that was bounded a line above needs it under noUncheckedIndexedAccess; the other
      // way to say it, a cast, says more than is known.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Text is cut and compared by code point here, which is what spreading it gives.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      // A grammar of an RFC stands as one expression, as it stands there.
      'sonarjs/regex-complexity': ['error', { threshold: 30 }],
      // `async` without `await` turns a throw into a rejection, as the ports promise.
      '@typescript-eslint/require-await': 'off',
      // Outcomes are closed unions: a function returns more than one type, checked by the compiler.
      'sonarjs/function-return-type': 'off',
      // `??=` within an expression is how a thing is made on its first use; an assignment in a
      // condition is still refused, by no-cond-assign.
      'sonarjs/no-nested-assignment': 'off',
      // The addresses in the code are loopback and the private ranges: facts, not places to reach.
      'sonarjs/no-hardcoded-ip': 'off',
      // Nothing here describes a cloud’s resources; to look for that takes a twentieth of the time.
      'sonarjs/aws-restricted-ip-admin-access': 'off',
      // typescript-eslint reports the same, from the same types; twice takes twice the time.
      'sonarjs/deprecation': 'off',
      'sonarjs/no-unused-vars': 'off',
      'sonarjs/unused-import': 'off',
      'sonarjs/prefer-regexp-exec': 'off',
      'sonarjs/void-use': 'off',
    },
  },
  {
    files: ['src/**'],
    rules: {
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true } }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
    },
  },
  {
    files: ['src/**'],
    // What ends the process before there is a logger is told on the console.
    ignores: ['src/main.ts'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['test/**'],
    rules: {
      // A describe() is as long as its suite; the length of the file bounds it.
      'max-lines-per-function': 'off',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      // describe, it, a server's handler and a callback within are four levels already.
      'sonarjs/no-nested-functions': 'off',
      // What comes off the wire is `any`; a wrong guess at its shape fails the test that makes it.
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      // Samples are not secrets, generated data needs no entropy, and servers here are loopback.
      'sonarjs/pseudo-random': 'off',
      'sonarjs/no-hardcoded-passwords': 'off',
      'sonarjs/no-hardcoded-secrets': 'off',
      'sonarjs/hardcoded-secret-signatures': 'off',
      'sonarjs/no-clear-text-protocols': 'off',
      // Tests start `node`, and look into the temporary folder that they made.
      'sonarjs/no-os-command-from-path': 'off',
      'sonarjs/publicly-writable-directories': 'off',
    },
  },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
