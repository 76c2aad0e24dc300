import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist', '.test', 'src/gen', 'test/package'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'error',
    },
  },
  // The build's own scripts are no part of a TypeScript project.
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
  {
    files: ['test/**'],
    rules: {
      // node:test runs what `test` returns, and the page compares booleans with booleans.
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-unnecessary-boolean-literal-compare': 'off',
      // A newer server sends values that the enums do not have.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
    },
  },
);
