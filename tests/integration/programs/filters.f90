! Compiled by f2py: a function with an array, and one inside a Fortran module.
subroutine total(values, n, result)
  integer, intent(in) :: n
  real(8), intent(in) :: values(n)
  real(8), intent(out) :: result
  result = sum(values)
end subroutine total

module grids
contains
  function doubled(x) result(y)
    real(8), intent(in) :: x
    real(8) :: y
    y = 2 * x
  end function doubled
end module grids
