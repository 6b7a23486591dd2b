! Compiled by f2py: subroutines with one requirement each.
subroutine total(values, n, result)
  integer, intent(in) :: n
  real(8), intent(in) :: values(n)
  real(8), intent(out) :: result
  result = sum(values)
end subroutine total

subroutine triple(values, result)
  real(8), intent(in) :: values(3)
  real(8), intent(out) :: result
  result = sum(values)
end subroutine triple

subroutine table(values, n, m, result)
  integer, intent(in) :: n, m
  real(8), intent(in) :: values(n, m)
  real(8), intent(out) :: result
  result = sum(values)
end subroutine table

subroutine double_in_place(values, n, m)
  integer, intent(in) :: n, m
  real(8), intent(inout) :: values(n, m)
  values = 2 * values
end subroutine double_in_place
