! The pitfalls' kernel in Fortran, for f2py, which copies arrays that are not in Fortran order.
subroutine total(a, n, m, rounds, s)
  implicit none
  integer, intent(in) :: n, m, rounds
  real(8), intent(in) :: a(n, m)
  real(8), intent(out) :: s
  real(8) :: value
  integer :: i, j, k
  s = 0
  do j = 1, m
    do i = 1, n
      value = a(i, j)
      do k = 1, rounds
        value = value * 0.75d0 + 0.5d0
      end do
      s = s + value
    end do
  end do
end subroutine total
